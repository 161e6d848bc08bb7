/* SPDX-License-Identifier: Apache-2.0 */
/* Stored units to floats and back, by the tensor's type. No state. */
#include "methods/gradient.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"

#define BATCH 256 /* draws at a time, on the stack */

/* `n` elements from `first` on. */
static void read_by_type(const struct tensor *t, uint64_t first, size_t n, float *out)
{
    const uint16_t *halves = (const uint16_t *)t->data + first;
    uint64_t here = 0;

    switch (t->dtype) {
    case DT_F16:
        kernels->f16_rows(out, halves, n, &here, 1);
        return;
    case DT_BF16:
        kernels->bf16_rows(out, halves, n, &here, 1);
        return;
    default:
        assert(t->dtype == DT_F32);
        memcpy(out, (const float *)t->data + first, n * sizeof *out);
    }
}

void unit_load(const struct parameters *p, unsigned tensor, uint64_t unit, float *out)
{
    uint64_t first;
    size_t n;

    if (p->method->unit_load) {
        p->method->unit_load(p, tensor, unit, out);
        return;
    }
    unit_place(p, tensor, unit, &first, &n);
    read_by_type(&p->tensor[tensor], first, n, out);
}

static inline uint32_t bits_of(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* The draw is added below the bits that are kept, so that the magnitude is rounded up with the
   probability of what is cut off: in expectation nothing is lost. */
static inline uint16_t f16_round(float x, float u)
{
    uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000, a = bits & 0x7fffffff;
    uint32_t normal = ((a + (uint32_t)(u * 0x1p13f)) >> 13) - (112 << 10); /* bias 127 to 15 */
    float step = fabsf(x) * 0x1p24f; /* below 2^-14: counted in units of 2^-24, exactly */
    uint32_t whole = (uint32_t)(step < 0x1p10f ? step : 0x1p10f);
    uint32_t small = whole + (step - (float)whole >= 1 - u); /* whole + 1 if the sum reaches it */

    return (uint16_t)(sign | (a < 0x38800000 ? small : normal));
}

static inline uint16_t bf16_round(float x, float u)
{
    return (uint16_t)((bits_of(x) + (uint32_t)(u * 0x1p16f)) >> 16);
}

/* `x` within the largest finite numbers; what lies outside is counted. */
static inline float cut(float x, float largest, uint64_t *count)
{
    *count += fabsf(x) > largest;
    return fabsf(x) > largest ? copysignf(largest, x) : x;
}

static void write_halves(const struct parameters *p, const struct unit_change *c,
                         struct patch *patch)
{
    const struct tensor *t = &p->tensor[c->tensor];
    uint64_t first;
    size_t width;
    uint16_t *old, *out;
    float largest = t->dtype == DT_F16 ? 65504 : f32_from_bf16(0x7f7f), u[BATCH];
    uint64_t beyond = 0;

    unit_place(p, c->tensor, c->unit, &first, &width);
    old = (uint16_t *)t->data + first;
    out = patch_add(patch, old, width * sizeof *out);
    for (size_t at = 0; at < width; at += BATCH) {
        size_t end = width - at < BATCH ? width : at + BATCH;

        rounding_draws(c->rounding, first + at, end - at, u);
        for (size_t j = at; j < end; j++) {
            if (c->after[j] == c->before[j]) {
                out[j] = old[j];
            } else {
                float x = cut(c->after[j], largest, &beyond);

                out[j] = t->dtype == DT_F16 ? f16_round(x, u[j - at]) : bf16_round(x, u[j - at]);
            }
        }
    }
    patch->saturated += beyond;
}

static void write_floats(const struct parameters *p, const struct unit_change *c,
                         struct patch *patch)
{
    const struct tensor *t = &p->tensor[c->tensor];
    float *old, *out;
    uint64_t first;
    size_t width;

    unit_place(p, c->tensor, c->unit, &first, &width);
    old = (float *)t->data + first;
    out = patch_add(patch, old, width * sizeof *out);
    for (size_t j = 0; j < width; j++) /* a step of 0 turns -0 into 0 */
        out[j] = c->after[j] == c->before[j] ? c->before[j] : c->after[j];
}

bool unit_is_floats(const struct parameters *p, unsigned tensor)
{
    const struct method *m = p->method;

    return !m->unit_place && !m->unit_load && !m->unit_store && p->tensor[tensor].dtype == DT_F32;
}

void unit_store(const struct parameters *p, const struct unit_change *c, struct patch *patch)
{
    if (p->method->unit_store) {
        p->method->unit_store(p, c, patch);
    } else if (p->tensor[c->tensor].dtype == DT_F32) {
        write_floats(p, c, patch);
    } else {
        assert(p->tensor[c->tensor].dtype == DT_F16 || p->tensor[c->tensor].dtype == DT_BF16);
        write_halves(p, c, patch);
    }
}
