/* SPDX-License-Identifier: Apache-2.0 */
/* A threshold that is learned decides what is left out; afterwards it is gone. */
#include "methods/sparse_rows.h"

const struct method method_pep = {
    .name = "pep",
    .title = "PEP (learned pruning thresholds)",
    .source = "Liu et al., ICLR 2021",
    .fit_extension = true,
    SPARSE_METHOD,
};
