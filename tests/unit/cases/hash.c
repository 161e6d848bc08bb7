/* SPDX-License-Identifier: Apache-2.0 */
/* See method_case.h. */
#include "tests/unit/method_case.h"

#include <string.h>

/* The stated error is 1 - H/N, and more where chance may say so. */
static const struct variant variants[] = {
    {"", 400, 16, 100 * 16 * 4, 0.8, NULL},
    {"", 400, 3, 7 * 3 * 4, 1, NULL},
    {"", 90, 8, 0, 0, NULL},
    {"", 0, 5, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static void row(const struct parameters *p, uint64_t id, float *out)
{
    const struct tensor *table = kit_tensor(p, "table");

    for (uint32_t j = 0; j < p->dim; j++)
        out[j] = ((const float *)table->data)[id % table->shape[0] * p->dim + j];
}

static void exact_row(const struct parameters *p, double *const *value, uint64_t id, double *out)
{
    memcpy(out, value[0] + id % p->tensor[0].shape[0] * p->dim, p->dim * sizeof *out);
}

const struct method_case case_hash = {
    .variants = variants,
    .row = row,
    .exact_row = exact_row,
};
