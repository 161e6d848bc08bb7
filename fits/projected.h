/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting narrow rows and their projections: principal directions, with or without a mean row. */
#pragma once

#include "fits/fit.h"

/* fitter->fit of mde (no bias) and autodim (bias): the best that any projection of that width can
   do. */
MUST_CHECK enum status projected_fit(const struct fit *fit, struct parameters *p, struct error *e);
/* The widths to choose from: number `i`, ascending; 0 beyond the last. */
typedef uint64_t projected_candidate(uint32_t dim, size_t i);
/* fitter->study: give each field of a layout with a budget the width that the sum of all errors
   wants. */
MUST_CHECK enum status projected_study(const struct fit *fit, struct layout *l,
                                       projected_candidate *candidate, bool bias, struct error *e);
