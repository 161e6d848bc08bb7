/* SPDX-License-Identifier: Apache-2.0 */
/* A sample of a table's rows that stands for all of them: a row of weight w is in it with the
   probability min(1, f w) and has then the weight w / that. Heavy rows are all in it. */
#pragma once

#include "fits/fit.h"

struct row_sample {
    float *rows;   /* [n][dim], in the order of the table */
    float *weight; /* [n] */
    size_t n, room;
    double factor; /* f; from 1 / the smallest weight on everybody is in */
    bool even;     /* no row has a weight: all count the same */
};

/* Make room for about `most` of the rows whose bit is set in `map` (NULL: of all). Release with
   row_sample_close(), also after a failure. */
MUST_CHECK enum status row_sample_open(struct row_sample *s, const struct fit *f,
                                       const unsigned char *map, uint64_t most, struct error *e);
void row_sample_close(struct row_sample *s);
/* Take row number `row` or leave it: `draw` is uniform in [0, 1). */
void row_sample_add(struct row_sample *s, const struct fit *f, uint64_t row, const float *x,
                    double draw);
