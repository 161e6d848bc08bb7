/* SPDX-License-Identifier: Apache-2.0 */
/* Of a table that is trained already there is no threshold left to learn: with one for the whole
   table, which the budget decides, the fit is that of deeplight. One thread. */
#include "fits/prune.h"

const struct fitter fitter_pep = {.fit = prune_by_magnitude};
