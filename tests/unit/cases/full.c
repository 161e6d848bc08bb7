/* SPDX-License-Identifier: Apache-2.0 */
/* See method_case.h. */
#include "tests/unit/method_case.h"

static const struct variant variants[] = {
    {"", 100, 24, 0, 0, NULL},
    {"", 3, 1, 0, 0, NULL},
    {"", 0, 5, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static void row(const struct parameters *p, uint64_t id, float *out)
{
    const float *weight = kit_tensor(p, "weight")->data;

    for (uint32_t j = 0; j < p->dim; j++)
        out[j] = weight[id * p->dim + j];
}

const struct method_case case_full = {
    .variants = variants,
    .row = row,
    .exact_row = case_own_row,
};
