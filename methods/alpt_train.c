/* SPDX-License-Identifier: Apache-2.0 */
/* Training of integers with learned scales. The row takes its step as real numbers; what rounding
   does to it, with the same gradient, moves the scale; then the row is rounded at random to the new
   scale. In double, since 16 bits before the point leave float32 only 8 behind it. No state. */
#include <float.h>
#include <math.h>

#include "kernels/kernels.h"
#include "methods/alpt.h"
#include "methods/gradient.h"
#include "methods/integers.h"

#define BATCH 256 /* elements at a time, on the stack */

void alpt_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                   struct gradients *out)
{
    (void)p;
    gradient_rows(out, ALPT_Q, row, n, grad);
}

enum status alpt_trainable(const struct parameters *p, struct error *e)
{
    if (p->value[ALPT_MIDDLE].r == 0)
        return ST_OK;
    return error_set(e, ST_PRECONDITION,
                     "a table of the method %s can be trained only with the middle 0, not %g",
                     p->method->name, p->value[ALPT_MIDDLE].r);
}

void alpt_unit_load(const struct parameters *p, unsigned tensor, uint64_t unit, float *out)
{
    (void)tensor; /* the integers: nothing else has gradients */
    p->method->rows(p, &unit, 1, out);
}

/* The gradient of the row's scale. */
static double scale_gradient(const struct parameters *p, const struct unit_change *c, double scale)
{
    double low = alpt_low(p), high = alpt_high(p), ids = c->ids ? (double)c->ids : 1;

    return kernels->f32_scale_gradient(c->after, c->gradient, c->n, scale, low, high) /
           sqrt(ids * p->dim * high);
}

/* The scale after its step. One whose rows might leave float32 does not take it. */
static float next_scale(const struct parameters *p, const struct unit_change *c, float scale,
                        struct patch *patch)
{
    float rate = c->scale_lr >= 0 ? c->scale_lr : (float)p->value[ALPT_SCALE_LR].r;
    double next = (double)scale - (double)rate * scale_gradient(p, c, (double)scale);

    if (next <= (double)ALPT_SCALE_LEAST)
        return ALPT_SCALE_LEAST;
    if (next * -alpt_low(p) <= FLT_MAX || (float)next == scale)
        return (float)next;
    patch->kept++;
    return scale;
}

/* How many elements moved to where no integer is. */
static uint64_t count_beyond(const float *before, const float *after, size_t n, double least,
                             double most)
{
    uint32_t count = 0;

    for (size_t j = 0; j < n; j++)
        count += (after[j] != before[j]) & (((double)after[j] < least) | ((double)after[j] > most));
    return count;
}

void alpt_unit_store(const struct parameters *p, const struct unit_change *c, struct patch *patch)
{
    const struct tensor *t = &p->tensor[ALPT_Q];
    size_t width = p->dim, size = dtype_size(t->dtype), first = c->unit * width;
    unsigned char *old = (unsigned char *)t->data + first * size;
    unsigned char *out = patch_add(patch, old, width * size);
    float *scale = (float *)p->tensor[ALPT_SCALE].data + c->unit;
    float *next = patch_add(patch, scale, sizeof *scale);
    double low = alpt_low(p), high = alpt_high(p);
    int32_t q[BATCH];
    float u[BATCH];
    bool whole;

    *next = next_scale(p, c, *scale, patch);
    whole = *next != *scale; /* else what did not move keeps its integer */
    for (size_t at = 0; at < width; at += BATCH) {
        size_t n = width - at < BATCH ? width - at : BATCH;
        const float *before = c->before + at, *after = c->after + at;

        rounding_draws(c->rounding, first + at, n, u);
        kernels->f32_round_steps(q, after, u, n, (double)*next, 0, (int32_t)low,
                                 (int32_t)(high - low));
        patch->saturated +=
            count_beyond(before, after, n, low * (double)*next, high * (double)*next);
        if (size == 1)
            integers_take_bytes(out + at, old + at, q, before, after, n, whole);
        else
            integers_take_words((uint16_t *)out + at, (const uint16_t *)old + at, q, before, after,
                                n, whole);
    }
}
