/* SPDX-License-Identifier: Apache-2.0 */
/* Stored units to floats and back, by the tensor's type. No state. */
#include "methods/gradient.h"

#include <assert.h>
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

static void write_halves(const struct parameters *p, const struct unit_change *c,
                         struct patch *patch)
{
    const struct tensor *t = &p->tensor[c->tensor];
    uint64_t first;
    size_t width;
    uint16_t *old, *out;
    float u[BATCH];

    unit_place(p, c->tensor, c->unit, &first, &width);
    old = (uint16_t *)t->data + first;
    out = patch_add(patch, old, width * sizeof *out);
    for (size_t at = 0; at < width; at += BATCH) {
        size_t n = width - at < BATCH ? width - at : BATCH;
        const float *before = c->before + at, *after = c->after + at;

        rounding_draws(c->rounding, first + at, n, u);
        patch->saturated += t->dtype == DT_F16
                                ? kernels->f32_round_f16(out + at, old + at, before, after, u, n)
                                : kernels->f32_round_bf16(out + at, old + at, before, after, u, n);
    }
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

    return !m->unit_load && !m->unit_store && p->tensor[tensor].dtype == DT_F32;
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
