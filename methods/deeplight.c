/* SPDX-License-Identifier: Apache-2.0 */
/* Small entries are left out. */
#include "methods/sparse_rows.h"

const struct method method_deeplight = {
    .name = "deeplight",
    .title = "DeepLight (magnitude pruning)",
    .source = "Deng et al., WSDM 2021",
    SPARSE_METHOD,
};
