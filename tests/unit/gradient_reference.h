/* SPDX-License-Identifier: Apache-2.0 */
/* Each method's formula in float64, over any values of its parameters: what finite differences are
   taken of. A new method adds a line here, in gradient_reference.c. */
#pragma once

#include "methods/method.h"

/* value[t] are the values of trained tensor t, as unit_load() gives them, in the tensor's order;
   NULL for the others. */
struct exact {
    const char *method;
    void (*row)(const struct parameters *p, double *const *value, uint64_t id, double *out);
    /* One bag; only for methods that have `pool`. */
    void (*bag)(const struct parameters *p, double *const *value, const uint64_t *id,
                const float *weight, size_t n, double divisor, double *out);
};

const struct exact *exact_find(const char *method); /* NULL if there is none */
