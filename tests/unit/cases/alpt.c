/* SPDX-License-Identifier: Apache-2.0 */
/* See method_case.h. */
#include "tests/unit/method_case.h"

/* A twelfth of the squared step, from a range of about seven times the deviation at most. */
static const struct variant variants[] = {
    {"", 100, 24, 0, 6e-5, NULL}, /* 8 bits */
    {"digit=16", 50, 37, 0, 1e-9, NULL},
    {"", 60, 16, 60 * 36, 6e-5, NULL}, /* 16 bits would fit */
    {"digit=8 middle=0.25", 50, 16, 0, 6e-5, NULL},
    {"digit=16 middle=-0.5 scale_lr=0.5", 50, 16, 0, 1e-9, NULL},
    {"", 20, 1, 0, 1e-13, NULL}, /* one number is its own scale */
    {"", 3, 700, 0, 2e-4, NULL},
    {"", 0, 5, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static void row(const struct parameters *p, uint64_t id, float *out)
{
    const struct tensor *q = kit_tensor(p, "q");
    float scale = ((const float *)kit_tensor(p, "scale")->data)[id];
    float middle = (float)kit_setting(p, "middle")->r;

    for (uint32_t j = 0; j < p->dim; j++) {
        size_t i = id * p->dim + j;
        int integer =
            q->dtype == DT_I8 ? ((const int8_t *)q->data)[i] : ((const int16_t *)q->data)[i];
        float product = (float)integer * scale;

        out[j] = product + middle;
    }
}

static void adjust(struct parameters *p, struct random *r)
{
    float *scale = kit_tensor(p, "scale")->data;

    (void)r;
    for (uint64_t i = 0; i < p->rows; i++)
        scale[i] = fabsf(scale[i]) + 1e-6f;
}

const struct method_case case_alpt = {
    .variants = variants,
    .row = row,
    .adjust = adjust,
    .exact_row = case_own_row,
};
