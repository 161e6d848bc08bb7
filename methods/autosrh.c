/* SPDX-License-Identifier: Apache-2.0 */
/* Which columns a group of ids keeps is searched for; the search's factors are multiplied in. */
#include "methods/sparse_rows.h"

const struct method method_autosrh = {
    .name = "autosrh",
    .title = "AutoSrh (pruning by groups of ids)",
    .source = "Kong et al., TKDE",
    .fit_extension = true,
    SPARSE_METHOD,
};
