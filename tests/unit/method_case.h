/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of all methods need to know of one: shapes to try it in, and its formula, written
   down a second time. Each method has a file in tests/unit/cases/ with its `struct method_case`. */
#pragma once

#include "methods/method.h"
#include "tests/unit/method_kit.h"

struct variant {
    const char *settings; /* "key=value key=value"; the plan chooses the rest */
    uint64_t rows;
    uint32_t dim;
    uint64_t budget; /* bytes; 0: none */
    /* The stated error: what fit_measure() may find as `relative` on a table of normal numbers. */
    double relative;
    const char *fields; /* "3,4,5": rows of each field that the parameters span; NULL: none */
};

struct method_case {
    const struct variant *variants; /* ends with one whose settings are NULL */
    /* The row of an id by the method's formula, an element at a time, without kernels. */
    void (*row)(const struct parameters *p, uint64_t id, float *out);
    /* How far a lookup may be from it, relative to the row's largest element; 0: bit for bit. At
       levels that fuse a product with its sum it may be further. */
    double tolerance, tolerance_fused;
    /* Make random bytes into parameters that a file may hold (ranges of index tensors); or NULL. */
    void (*adjust)(struct parameters *p, struct random *r);
    /* The formula in float64 over any values of the trained tensors: value[t] are those of tensor
       t, where they lie in it, or NULL. What finite differences are taken of. */
    void (*exact_row)(const struct parameters *p, double *const *value, uint64_t id, double *out);
    /* One bag; only for methods that have `pool`. */
    void (*exact_bag)(const struct parameters *p, double *const *value, const uint64_t *id,
                      const float *weight, size_t n, double divisor, double *out);
};

const struct method_case *case_find(const char *method); /* fails the test if there is none */

/* Each variant of a method. */
#define FOR_VARIANTS(v, name)                                                                      \
    for (const struct variant *v = case_find(name)->variants; v->settings; v++)

/* Planned, allocated, filled with random parameters that pass their check. */
void case_parameters(struct parameters *p, const char *method, const struct variant *v,
                     struct random *r);
/* The same without values: zeroed tensors, not checked. */
void case_allocated(struct parameters *p, const char *method, const struct variant *v);
/* Begin a plan of the variant with another budget. Release with plan_done(). */
void case_plan(struct plan *plan, const char *method, const struct variant *v, uint64_t budget);

/* exact_row of methods whose row is the unit of their first trained tensor. */
void case_own_row(const struct parameters *p, double *const *value, uint64_t id, double *out);
