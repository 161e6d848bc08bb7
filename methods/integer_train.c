/* SPDX-License-Identifier: Apache-2.0 */
/* Training of tables of integers: there is no float copy, a step is rounded to one of its two
   neighbours, so that it holds in expectation. No state. */
#include "methods/integer_rows.h"

#include <string.h>

#include "kernels/kernels.h"
#include "methods/gradient.h"

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

/* The integers of elements that moved, or of all, and the old ones of the others. By masks, which
   compilers make vectors of. */
#define DEFINE_TAKE(NAME, TYPE)                                                                    \
    static void NAME(TYPE *restrict out, const TYPE *restrict old, const int32_t *restrict q,      \
                     const float *restrict before, const float *restrict after, size_t n,          \
                     bool whole)                                                                   \
    {                                                                                              \
        for (size_t j = 0; j < n; j++) {                                                           \
            int32_t take = -((after[j] != before[j]) | whole);                                     \
                                                                                                   \
            out[j] = (TYPE)((q[j] & take) | (old[j] & ~take));                                     \
        }                                                                                          \
    }

DEFINE_TAKE(take_bytes, uint8_t)
DEFINE_TAKE(take_words, uint16_t)
#undef DEFINE_TAKE

static float within(float x)
{
    x = x > (float)-INTEGER_LARGEST ? x : (float)-INTEGER_LARGEST;
    return x < (float)INTEGER_LARGEST ? x : (float)INTEGER_LARGEST;
}

/* A new scale and minimum that reach all values of the row; those that are too far for any are cut
   off. */
static void widen(const struct parameters *p, const struct unit_change *c, struct patch *patch,
                  struct grid *g)
{
    float *old = (float *)p->tensor[INTEGER_QPARAMS].data + 2 * c->unit, *own;
    float min = within(c->after[0]), max = min;
    uint64_t beyond = 0;

    for (uint32_t j = 0; j < p->dim; j++) {
        float x = within(c->after[j]);

        beyond += x != c->after[j];
        min = x < min ? x : min;
        max = x > max ? x : max;
    }
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
            take_bytes(out + at, old + at, q, before, after, n, whole);
        else
            take_words((uint16_t *)out + at, (const uint16_t *)old + at, q, before, after, n,
                       whole);
    }
}
