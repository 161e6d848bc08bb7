/* SPDX-License-Identifier: Apache-2.0 */
/* Training in float64, written down once more and as plainly as can be: full arrays, no hashing, no
   patches. Of a method it knows only the formula of its case (tests/unit/method_case.h): gradients
   are differences of that. The sums by row are taken from the update, which update_test.c looks
   at. */
#pragma once

#include "tests/unit/method_case.h"
#include "tests/unit/training_kit.h"

struct exact_tensor {
    size_t units, count;
    bool scalar;                     /* one state a unit */
    double *value, *gradient;        /* [count], as they lie in the tensor; NULL: not trained */
    double *state[OPTIMIZER_STATES]; /* [units] or [count] */
    float *last;                     /* [count] the table's, as last compared */
    unsigned char *touched;          /* [units] by the push in hand */
    /* alpt: the scale of each unit, and how far it may be off, since a number near the middle
       between two integers may be rounded up or down. */
    double *scale, *slack;
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

const float *exact_state_of(const struct table *t, const char *tensor, const char *state);
