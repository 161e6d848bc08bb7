/* SPDX-License-Identifier: Apache-2.0 */
/* See method_case.h. */
#include "tests/unit/method_case.h"

#include <math.h>

/* Half a step of rounding, squared. */
static const struct variant variants[] = {
    {"", 100, 24, 0, 0x1p-22, NULL},
    {"", 40, 35, 0, 0x1p-22, NULL},
    {"", 0, 5, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static void row(const struct parameters *p, uint64_t id, float *out)
{
    const uint16_t *weight = kit_tensor(p, "weight")->data;

    for (uint32_t j = 0; j < p->dim; j++) {
        uint16_t h = weight[id * p->dim + j];
        int exponent = h >> 10 & 31, fraction = h & 1023;
        double x = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);

        out[j] = (float)(h & 0x8000 ? -x : x);
    }
}

const struct method_case case_fp16 = {
    .variants = variants,
    .row = row,
    .exact_row = case_own_row,
};
