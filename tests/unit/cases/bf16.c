/* SPDX-License-Identifier: Apache-2.0 */
/* See method_case.h. */
#include "tests/unit/method_case.h"

#include <string.h>

/* Half a step of rounding, squared. */
static const struct variant variants[] = {
    {"", 100, 24, 0, 0x1p-18, NULL},
    {"", 40, 35, 0, 0x1p-18, NULL},
    {"", 0, 5, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static void row(const struct parameters *p, uint64_t id, float *out)
{
    const uint16_t *weight = kit_tensor(p, "weight")->data;

    for (uint32_t j = 0; j < p->dim; j++) {
        uint32_t bits = (uint32_t)weight[id * p->dim + j] * 65536;

        memcpy(&out[j], &bits, sizeof bits);
    }
}

const struct method_case case_bf16 = {
    .variants = variants,
    .row = row,
    .exact_row = case_own_row,
};
