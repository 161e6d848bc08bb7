/* SPDX-License-Identifier: Apache-2.0 */
/* Each method's formula, an element at a time, without kernels. */
#include "tests/unit/conformance_variants.h"

#include <math.h>
#include <string.h>

#include "tests/unit/method_kit.h"

static void full_row(const struct parameters *p, uint64_t id, float *out)
{
    const float *weight = kit_tensor(p, "weight")->data;

    for (uint32_t j = 0; j < p->dim; j++)
        out[j] = weight[id * p->dim + j];
}

static void fp16_row(const struct parameters *p, uint64_t id, float *out)
{
    const uint16_t *weight = kit_tensor(p, "weight")->data;

    for (uint32_t j = 0; j < p->dim; j++) {
        uint16_t h = weight[id * p->dim + j];
        int exponent = h >> 10 & 31, fraction = h & 1023;
        double x = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);

        out[j] = (float)(h & 0x8000 ? -x : x);
    }
}

static void bf16_row(const struct parameters *p, uint64_t id, float *out)
{
    const uint16_t *weight = kit_tensor(p, "weight")->data;

    for (uint32_t j = 0; j < p->dim; j++) {
        uint32_t bits = (uint32_t)weight[id * p->dim + j] * 65536;

        memcpy(&out[j], &bits, sizeof bits);
    }
}

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

static void integer_row(const struct parameters *p, uint64_t id, float *out)
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

static void integer_adjust(struct parameters *p)
{
    if (kit_setting(p, "qparam")->i == 1) {
        float *qparams = kit_tensor(p, "qparams")->data;

        for (uint64_t i = 0; i < p->rows; i++)
            qparams[2 * i] = i % 5 ? fabsf(qparams[2 * i]) : 0;
    } else if (kit_setting(p, "scale")->r == 0) {
        p->value[method_setting(p->method, "scale", 5)].r = 0.01;
    }
}

static void hash_row(const struct parameters *p, uint64_t id, float *out)
{
    const struct tensor *table = kit_tensor(p, "table");

    for (uint32_t j = 0; j < p->dim; j++)
        out[j] = ((const float *)table->data)[id % table->shape[0] * p->dim + j];
}

static void compo_row(const struct parameters *p, uint64_t id, float *out)
{
    const struct tensor *q = kit_tensor(p, "q.weight"), *r = kit_tensor(p, "r.weight");
    uint64_t collisions = (uint64_t)kit_setting(p, "collisions")->i, quotient = id / collisions;
    const float *from_q, *from_r;

    if (kit_setting(p, "quotient")->i == 1) {
        float a = (float)(int64_t)id, b = (float)(int64_t)collisions, c = a / b;

        quotient = (uint64_t)(int64_t)c;
    }
    from_q = (const float *)q->data + quotient * q->shape[1];
    from_r = (const float *)r->data + id % collisions * r->shape[1];
    for (uint32_t j = 0; j < p->dim; j++) {
        switch (kit_setting(p, "op")->i) {
        case 0:
            out[j] = from_q[j] * from_r[j];
            break;
        case 1:
            out[j] = from_q[j] + from_r[j];
            break;
        default:
            out[j] = j < q->shape[1] ? from_q[j] : from_r[j - q->shape[1]];
        }
    }
}

static const struct reference references[] = {
    {"full", full_row, NULL},
    {"fp16", fp16_row, NULL},
    {"bf16", bf16_row, NULL},
    {"int8", integer_row, integer_adjust},
    {"int16", integer_row, integer_adjust},
    {"hash", hash_row, NULL},
    {"compo", compo_row, NULL},
};

const struct reference *reference_find(const char *method)
{
    for (size_t i = 0; i < sizeof references / sizeof references[0]; i++)
        if (strcmp(references[i].method, method) == 0)
            return &references[i];
    return NULL;
}
