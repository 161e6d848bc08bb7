/* SPDX-License-Identifier: Apache-2.0 */
/* What int8 and int16 share. */
#include "tests/unit/cases/integer.h"

#include <math.h>

static int integer_at(const struct tensor *q, uint64_t i)
{
    switch (q->dtype) {
    case DT_U8:
        return ((const uint8_t *)q->data)[i];
    case DT_I8:
        return ((const int8_t *)q->data)[i];
    case DT_U16:
        return ((const uint16_t *)q->data)[i];
    default:
        return ((const int16_t *)q->data)[i];
    }
}

void integer_case_row(const struct parameters *p, uint64_t id, float *out)
{
    const struct tensor *q = kit_tensor(p, "q");
    double step = kit_setting(p, "scale")->r, middle = kit_setting(p, "middle")->r;
    float scale, bias;

    if (kit_setting(p, "qparam")->i == 1) {
        const float *qparams = kit_tensor(p, "qparams")->data;

        scale = qparams[2 * id];
        bias = qparams[2 * id + 1];
    } else {
        scale = (float)step;
        if (kit_setting(p, "signed")->i)
            bias = (float)middle;
        else if (dtype_size(q->dtype) == 1)
            bias = (float)(middle - 128 * step);
        else
            bias = (float)(middle - 32768 * step);
    }
    for (uint32_t j = 0; j < p->dim; j++) {
        float product = (float)integer_at(q, id * p->dim + j) * scale;

        out[j] = product + bias;
    }
}

void integer_case_adjust(struct parameters *p, struct random *r)
{
    (void)r;
    if (kit_setting(p, "qparam")->i == 1) {
        float *qparams = kit_tensor(p, "qparams")->data;

        for (uint64_t i = 0; i < p->rows; i++)
            qparams[2 * i] = i % 5 ? fabsf(qparams[2 * i]) : 0;
    } else if (kit_setting(p, "scale")->r == 0) {
        p->value[method_setting(p->method, "scale", 5)].r = 0.01;
    }
}
