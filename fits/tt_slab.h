/* SPDX-License-Identifier: Apache-2.0 */
/* The trained table as the fits of tt see it: numbered by (i0, a, i1, b, i2, c), digit and part of
   the columns in turn, and read a slab at a time, which is everything with one i1. Ids beyond the
   table and columns beyond D are 0. One thread. */
#pragma once

#include "fits/fit.h"
#include "methods/tt.h"

/* The most rows of a Gram matrix: its eigenvectors take minutes then, and as much memory as a table
   of a billion numbers. */
#define TT_GRAM_MAX 8192

struct tt_slab {
    const struct fit *fit;
    struct tt_shape s;
    size_t m0, m2;    /* n0 d0, n2 d2 */
    float *x;         /* [m0][d1][m2], the slab in hand */
    float *rows;      /* as they are read */
    double *scale[3]; /* for each digit of each core, roots of weights whose product comes near the
                         row's; NULL: no weights */
    double unit;      /* all numbers are multiplied by it; a power of two */
    double peak;      /* the largest magnitude that was read */
    double from, to;  /* progress of this pass */
};

/* Make room. tt_slab_close() releases it, also after a failure, and on a zeroed one. ST_INVALID if
   n and d are too uneven to be fitted. */
MUST_CHECK enum status tt_slab_open(struct tt_slab *b, const struct fit *f,
                                    const struct tt_shape *s, struct error *e);
void tt_slab_close(struct tt_slab *b);
/* The next pass is the part [from, to] of the whole work. */
void tt_slab_start(struct tt_slab *b, double from, double to);
/* Read slab `i1`, times unit and scales. *empty: no id of the table is in it, and x is not filled.
 */
MUST_CHECK enum status tt_slab_read(struct tt_slab *b, uint64_t i1, bool *empty, struct error *e);
/* Let later passes have numbers of at most about 1, so that no product leaves float's range.
   Returns what squares are multiplied by. */
double tt_slab_normalise(struct tt_slab *b);
