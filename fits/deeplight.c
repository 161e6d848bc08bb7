/* SPDX-License-Identifier: Apache-2.0 */
/* What is left of a table by magnitude, exactly as many entries as the budget has room for; the
   authors look for a threshold until the number is near. One thread. */
#include "fits/prune.h"

const struct fitter fitter_deeplight = {.fit = prune_by_magnitude};
