/* SPDX-License-Identifier: Apache-2.0 */
/* Training of tables of integers: there is no float copy, a step is rounded to one of its two
   neighbours, so that it holds in expectation. No state. */
#include "methods/integer_rows.h"

#include <string.h>

#include "kernels/kernels.h"
#include "methods/gradient.h"
#include "methods/integers.h"

#define BATCH 256 /* elements at a time, on the stack */

/* The values that the integers of one row can stand for. */
struct grid {
    float scale, bias;
    int low, top;      /* the lowest integer, and how many lie above it */
    float least, most; /* values of the lowest and the highest */
};

static int data_tensor(const struct parameters *p)
{
    return p->value[INTEGER_SIGNED].i ? INTEGER_SIGNED_Q : INTEGER_UNSIGNED_Q;
}

static struct grid grid_of(const struct parameters *p, float scale, float bias)
{
    int bits = (int)p->method->settings[INTEGER_DIGIT].min;
    struct grid g = {.scale = scale, .bias = bias, .top = (1 << bits) - 1};

    g.low = p->value[INTEGER_SIGNED].i ? -(1 << (bits - 1)) : 0;
    g.least = (float)g.low * scale + bias; /* as a lookup has them */
    g.most = (float)(g.low + g.top) * scale + bias;
    return g;
}

void integer_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                      struct gradients *out)
{
    gradient_rows(out, (unsigned)data_tensor(p), row, n, grad);
}

void integer_unit_load(const struct parameters *p, unsigned tensor, uint64_t unit, float *out)
{
    (void)tensor; /* the integers: nothing else has gradients */
    p->method->rows(p, &unit, 1, out);
}

/* Elements whose new value cannot be reached. */
static uint64_t count_beyond(const struct unit_change *c, size_t n, const struct grid *g)
{
    const float *before = c->before, *after = c->after, least = g->least, most = g->most;
    uint32_t count = 0;

    for (size_t j = 0; j < n; j++)
        count += (after[j] != before[j]) & ((after[j] < least) | (after[j] > most));
    return count;
}

static float within(float x)
{
    x = x > (float)-INTEGER_LARGEST ? x : (float)-INTEGER_LARGEST;
    return x < (float)INTEGER_LARGEST ? x : (float)INTEGER_LARGEST;
}

#define RANGES 8 /* side by side, which vectors can hold */

/* The smallest and largest of n values, n > 0, cut off; returns how many that changes. */
static uint64_t range(const float *v, size_t n, float *min, float *max)
{
    float least[RANGES], most[RANGES];
    uint32_t beyond[RANGES] = {0};
    size_t last = n - n % RANGES;

    for (size_t k = 0; k < RANGES; k++)
        least[k] = most[k] = within(v[0]);
    for (size_t j = 0; j < last; j += RANGES)
        for (size_t k = 0; k < RANGES; k++) {
            float x = within(v[j + k]);

            beyond[k] += x != v[j + k];
            least[k] = x < least[k] ? x : least[k];
            most[k] = x > most[k] ? x : most[k];
        }
    for (size_t j = last; j < n; j++) {
        float x = within(v[j]);

        beyond[0] += x != v[j];
        least[0] = x < least[0] ? x : least[0];
        most[0] = x > most[0] ? x : most[0];
    }
    for (size_t k = 1; k < RANGES; k++) {
        least[0] = least[k] < least[0] ? least[k] : least[0];
        most[0] = most[k] > most[0] ? most[k] : most[0];
        beyond[0] += beyond[k];
    }
    *min = least[0];
    *max = most[0];
    return beyond[0];
}

/* A new scale and minimum that reach all values of the row; those that are too far for any are cut
   off. */
static void widen(const struct parameters *p, const struct unit_change *c, struct patch *patch,
                  struct grid *g)
{
    float *old = (float *)p->tensor[INTEGER_QPARAMS].data + 2 * c->unit, *own, min, max;
    uint64_t beyond = range(c->after, p->dim, &min, &max);

    own = patch_add(patch, old, 2 * sizeof *own);
    integer_own_range(p, min, max, own);
    *g = grid_of(p, own[0], own[1]);
    patch->saturated += beyond;
}

/* Integers for values, each rounded up with the probability of its fraction. In double, since 16
   bits before the point leave float32 only 8 behind it. */
static void quantise(int32_t *q, const float *x, const float *u, size_t n, const struct grid *g)
{
    if (g->scale == 0) { /* a constant row is its minimum, and its integers 0 */
        memset(q, 0, n * sizeof *q);
        return;
    }
    kernels->f32_round_steps(q, x, u, n, g->scale, g->bias, g->low, g->top);
}

void integer_unit_store(const struct parameters *p, const struct unit_change *c,
                        struct patch *patch)
{
    const float *own = p->tensor[INTEGER_QPARAMS].data;
    const struct tensor *t = &p->tensor[c->tensor];
    size_t width = p->dim, size = dtype_size(t->dtype), first = c->unit * width;
    bool each = p->value[INTEGER_QPARAM].i == QPARAM_ROW, whole = false;
    unsigned char *old = (unsigned char *)t->data + first * size;
    unsigned char *out = patch_add(patch, old, width * size);
    struct grid g = each ? grid_of(p, own[2 * c->unit], own[2 * c->unit + 1])
                         : grid_of(p, (float)p->value[INTEGER_SCALE].r, integer_bias(p));
    uint64_t beyond = count_beyond(c, width, &g);
    int32_t q[BATCH];
    float u[BATCH];

    if (!each) {
        patch->saturated += beyond;
    } else if (beyond) {
        widen(p, c, patch, &g);
        whole = true;
    }
    for (size_t at = 0; at < width; at += BATCH) {
        size_t n = width - at < BATCH ? width - at : BATCH;
        const float *before = c->before + at, *after = c->after + at;

        rounding_draws(c->rounding, first + at, n, u);
        quantise(q, after, u, n, &g);
        if (size == 1)
            integers_take_bytes(out + at, old + at, q, before, after, n, whole);
        else
            integers_take_words((uint16_t *)out + at, (const uint16_t *)old + at, q, before, after,
                                n, whole);
    }
}
