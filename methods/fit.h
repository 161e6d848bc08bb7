/* SPDX-License-Identifier: Apache-2.0 */
/* Compressing a trained table: first plan (which settings and sizes fit the budget), then fit (fill
   the parameters so that the weighted squared error to the table is small). */
#pragma once

#include "methods/method.h"

/* Budget in bytes for the method's tensors. The method fills in settings that the user left open
   and the free sizes of its shapes; what the user set stays. */
struct plan {
    const struct method *method;
    uint64_t rows;
    uint32_t dim;
    uint64_t budget; /* bytes; 0: no budget, take the method's natural size */
    struct value value[METHOD_SETTINGS_MAX];
    struct symbols size; /* free sizes, by the names in the shapes */
};

/* Run method->plan, complete the settings and check that the bytes are within the budget.
   ST_INVALID with a sentence that names the need when it cannot be reached. A setting that only the
   table can decide (the scale of int8 and int16) is 0 until the fit writes it. */
MUST_CHECK enum status plan_make(struct plan *plan, struct error *e);
/* Bytes of the planned tensors. */
MUST_CHECK enum status plan_bytes(const struct plan *plan, uint64_t *bytes, struct error *e);
/* The refusal of a budget below `need` bytes; for method->plan. */
enum status plan_refuse(const struct plan *plan, uint64_t need, struct error *e);
/* Release the lists of the settings. */
void plan_done(struct plan *plan);
/* Set up `p` (shapes, types, settings; no memory) as planned. Where a tensor allows several types,
   the first bit set in the declaration is taken; optional tensors are left out. Release with
   parameters_done(). method->fit may write settings of `p` that the plan left to it. */
MUST_CHECK enum status plan_parameters(const struct plan *plan, struct parameters *p,
                                       struct error *e);

/* A trained table that can be read more than once, in any order of rows. */
struct fit {
    uint64_t rows;
    uint32_t dim;
    /* Rows [first, first + n) as float32 into out[n][dim]. */
    enum status (*read)(void *context, uint64_t first, size_t n, float *out, struct error *e);
    void *context;
    const float *weight; /* [rows], >= 0, importance of each row; NULL: all 1 */
    uint64_t seed;       /* for methods that draw; the same seed gives the same bytes */
    /* Tell how far the fit is (0 to 1); false stops it with ST_CANCELLED. May be NULL. */
    bool (*progress)(void *context, double done);
};

static inline float fit_weight(const struct fit *f, uint64_t row)
{
    return f->weight ? f->weight[row] : 1.0f;
}
/* Report progress; ST_CANCELLED if the caller wants to stop. */
MUST_CHECK enum status fit_progress(const struct fit *f, double done, struct error *e);

/* How close parameters are to the table that they were made from. `p` has passed
   parameters_check(). */
struct fit_error {
    /* sum w |W - e|^2 / sum w |W|^2; for an all-zero table 0 if met exactly, else infinite */
    double relative;
    double cosine_mean;  /* weighted mean over rows with both norms above 0; 1 if there are none */
    double cosine_worst; /* smallest over the same rows; 1 if there are none */
    uint64_t worst_row;
};
MUST_CHECK enum status fit_measure(const struct fit *f, const struct parameters *p,
                                   struct fit_error *out, struct error *e);
