/* SPDX-License-Identifier: Apache-2.0 */
/* The trained table in blocks of rows, from the first to the last, as fits and measures read it. A
   scan holds one block, whatever the size of the table; it refuses values that are not finite and
   tells how far it is. */
#pragma once

#include "fits/fit.h"

struct scan {
    const struct fit *fit;
    float *rows;    /* the block in hand: [n][dim] */
    uint64_t first; /* its first row */
    size_t n;       /* 0: the table is through */
    size_t room;    /* rows that a block may have */
    double from, to;
};

/* Make room for the blocks. scan_close() releases it, also after a failure, and on a zeroed scan.
 */
MUST_CHECK enum status scan_open(struct scan *s, const struct fit *f, struct error *e);
void scan_close(struct scan *s);
/* Go back to the beginning. This pass is the part [from, to] of the whole work, for progress. */
void scan_start(struct scan *s, double from, double to);
/* Read the next block. A row that holds NaN or infinity, or has a bad weight, is ST_INVALID and is
   named. ST_CANCELLED as fit_progress() says. */
MUST_CHECK enum status scan_next(struct scan *s, struct error *e);

/* Rows [first, first + n) by themselves, for fits that go through the table in another order: n >=
   1, checked as scan_next() does. */
MUST_CHECK enum status rows_read(const struct fit *f, uint64_t first, size_t n, float *out,
                                 struct error *e);
