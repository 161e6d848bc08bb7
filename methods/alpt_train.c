/* SPDX-License-Identifier: Apache-2.0 */
/* Training of integers with learned scales. The row takes its step as real numbers; what rounding
   does to it, with the same gradient, moves the scale; then the row is rounded at random to the new
   scale. In double, since 16 bits before the point leave float32 only 8 behind it. No state. */
#include <float.h>
#include <math.h>

#include "methods/alpt.h"
#include "methods/gradient.h"

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

/* The gradient of the row's scale, as if rounding had the slope 1 inside the range: of a value
   there it is what rounding adds to it, of one beyond the integer at the end. */
static double scale_gradient(const struct parameters *p, const struct unit_change *c, double scale)
{
    double low = alpt_low(p), high = alpt_high(p), sum = 0;
    double ids = c->ids ? (double)c->ids : 1;

    for (size_t j = 0; j < c->n; j++) {
        double v = (double)c->after[j] / scale, phi;

        if (v >= high)
            phi = high;
        else if (v <= low)
            phi = low;
        else
            phi = floor(v + 0.5) - v;
        sum += (double)c->gradient[j] * phi;
    }
    return sum / sqrt(ids * p->dim * high);
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

void alpt_unit_store(const struct parameters *p, const struct unit_change *c, struct patch *patch)
{
    const struct tensor *t = &p->tensor[ALPT_Q];
    size_t width = p->dim, size = dtype_size(t->dtype), first = c->unit * width;
    unsigned char *old = (unsigned char *)t->data + first * size;
    unsigned char *out = patch_add(patch, old, width * size);
    float *scale = (float *)p->tensor[ALPT_SCALE].data + c->unit;
    float *next = patch_add(patch, scale, sizeof *scale);
    double low = alpt_low(p), high = alpt_high(p);
    float u[BATCH];

    *next = next_scale(p, c, *scale, patch);
    for (size_t at = 0; at < width; at += BATCH) {
        size_t end = width - at < BATCH ? width : at + BATCH;

        rounding_draws(c->rounding, first + at, end - at, u);
        for (size_t j = at; j < end; j++) {
            double v = (double)c->after[j] / (double)*next, in = v > low ? v : low;
            bool moved = c->after[j] != c->before[j];
            int q;

            in = in < high ? in : high;
            q = (int)(in - low + (double)u[j - at]) + (int)low; /* from 0 on, this is the floor */
            patch->saturated += moved && in != v;
            if (!moved && *next == *scale) /* keeps its integer */
                q = size == 1 ? ((int8_t *)old)[j] : ((int16_t *)old)[j];
            if (size == 1)
                ((int8_t *)out)[j] = (int8_t)q;
            else
                ((int16_t *)out)[j] = (int16_t)q;
        }
    }
}
