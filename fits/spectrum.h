/* SPDX-License-Identifier: Apache-2.0 */
/* Principal directions of a table: what is left of its rows when they are brought down to a few
   columns and back. */
#pragma once

#include "fits/fit.h"

/* Begins zeroed. */
struct spectrum {
    /* Sums of squares along each direction, weighted, the largest first: what a direction takes off
       the error. [dim], 0 beyond the number of rows. */
    double *value;
    float *direction; /* [wanted][dim], orthonormal rows, in the order of `value` */
    float *mean;      /* [dim] weighted mean row; NULL unless centred */
};

/* Read the fit's rows (twice if centred) and find the first `wanted` <= dim directions; 0: the
   values alone. Progress goes over [from, to]. Directions that explain nothing may be 0. Memory: a
   block, and three matrices of min(rows, dim) squared doubles; for fewer rows than columns these
   too. */
MUST_CHECK enum status spectrum_find(struct spectrum *s, const struct fit *f, bool centred,
                                     size_t wanted, double from, double to, struct error *e);
/* Take the mean off `n` rows, if it is centred. */
void spectrum_centre(const struct spectrum *s, float *rows, size_t n, size_t dim);
void spectrum_done(struct spectrum *s);
