/* SPDX-License-Identifier: Apache-2.0 */
/* Training in float64, written down once more and as plainly as can be: full arrays, no hashing, no
   patches. The sums by row are taken from the update, which update_test.c looks at. */
#pragma once

#include "tests/unit/training_kit.h"

struct exact_tensor {
    size_t units, width, states;
    double *value, *gradient;        /* [units][width] */
    double *state[OPTIMIZER_STATES]; /* [units][states] */
    float *last;                     /* [units][width] the table's, as last compared */
    unsigned char *touched;          /* [units] by the push in hand */
};

struct exact_table {
    const struct table *t;
    struct optimizer_settings s;
    struct exact_tensor (*tensor)[METHOD_TENSORS_MAX]; /* [parts] */
    uint64_t clipped;
};

/* Take over the table's present values and states. */
void exact_make(struct exact_table *x, const struct table *t);
void exact_done(struct exact_table *x);
void exact_push(struct exact_table *x, const struct update *u, double rate);
/* The table, as far as float32 and its stored types can be; then stored values take the place of
   the exact ones, where they are rounded. */
void exact_compare(struct exact_table *x);
