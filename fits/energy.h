/* SPDX-License-Identifier: Apache-2.0 */
/* How much of a table its best rows hold, for many widths at once: for each width a histogram of
   the rows' weighted sums of squares over that many first columns. One pass over the rows, and
   memory that does not grow with them. */
#pragma once

#include "fits/fit.h"

#define ENERGY_WIDTHS 256   /* at most; of more columns as many, evenly spread */
#define ENERGY_BUCKETS 2048 /* eight for each power of two of a float32 */

/* Begins zeroed. */
struct energy {
    uint32_t width[ENERGY_WIDTHS]; /* ascending; the last is the dimension */
    size_t widths;
    uint64_t (*count)[ENERGY_BUCKETS]; /* [widths] rows in each bucket */
    double (*sum)[ENERGY_BUCKETS];     /* and their energy */
    double total;                      /* of all columns */
};

/* Read the fit's rows. Can be done again for others. */
MUST_CHECK enum status energy_find(struct energy *x, const struct fit *f, struct error *e);
void energy_done(struct energy *x);
/* What the best `rows` rows hold in width[at]: within a bucket as if all were alike, so never more
   than it is. */
double energy_of(const struct energy *x, size_t at, uint64_t rows);
