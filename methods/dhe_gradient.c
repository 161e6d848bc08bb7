/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of dhe: the pushed ids go through the network once more, a block at a time, and back.
   Every parameter but the statistics gets a gradient from every id, added in the order of the ids.
   No state. */
#include "methods/dhe.h"

#include <string.h>

#include "kernels/kernels.h"
#include "methods/gradient.h"

#define BLOCK 96 /* ids whose activations are kept: what f32_product() takes together, many times */

/* Where a block's numbers are; rows of k columns in `input`, of the width in all others. */
struct pass {
    const struct parameters *p;
    size_t n, width;
    float *input;
    float *normal[DHE_HIDDEN]; /* normalised columns, before their scale and shift */
    float *bent[DHE_HIDDEN];   /* what the next layer gets */
    float *back;               /* the gradient on its way down */
    float *other;
    float *inverse, *shift; /* [width] */
};

size_t dhe_touched(const struct parameters *p, unsigned tensor, size_t rows)
{
    (void)p;
    (void)tensor;
    return rows ? SIZE_MAX : 0;
}

size_t dhe_gradient_scratch(const struct parameters *p, size_t rows)
{
    size_t n = rows < BLOCK ? rows : BLOCK, width = dhe_width(p);

    return n * (dhe_in(p, 0) + (2 * DHE_HIDDEN + 2) * width) + 2 * width;
}

static void pass_init(struct pass *s, const struct parameters *p, size_t n, float *scratch)
{
    s->p = p;
    s->width = dhe_width(p);
    s->inverse = scratch;
    s->shift = scratch + s->width;
    s->input = s->shift + s->width;
    s->back = s->input + n * dhe_in(p, 0);
    s->other = s->back + n * s->width;
    for (unsigned l = 0; l < DHE_HIDDEN; l++) {
        s->normal[l] = s->other + (2 * l + 1) * n * s->width;
        s->bent[l] = s->normal[l] + n * s->width;
    }
}

static const float *layer_input(const struct pass *s, unsigned layer)
{
    return layer ? s->bent[layer - 1] : s->input;
}

/* All units of a tensor, in their order and first of all, so that their sums lie one after the
   other. */
static float *whole(struct gradients *out, const struct parameters *p, unsigned tensor)
{
    uint64_t units = unit_count(p, tensor);

    for (uint64_t u = 0; u < units; u++)
        gradient_at(out, tensor, u);
    return gradient_at(out, tensor, 0);
}

static void touch_all(struct gradients *out, const struct parameters *p, float **sum)
{
    for (unsigned t = 0; t < p->method->tensors_count; t++)
        if (p->method->tensors[t].flags & TENSOR_TRAINED)
            sum[t] = whole(out, p, t);
}

/* The deviations of a layer's statistics, and what takes a product to normalised columns. */
static void normalise(struct pass *s, unsigned layer)
{
    const struct parameters *p = s->p;
    const float *mean = dhe_floats(p, dhe_bn(layer, DHE_MEAN));
    const float *var = dhe_floats(p, dhe_bn(layer, DHE_VAR));
    const float *bias = dhe_floats(p, dhe_bias(layer));

    for (size_t j = 0; j < s->width; j++) {
        s->inverse[j] = dhe_inverse(var[j], p->value[DHE_BN_EPS].r);
        s->shift[j] = (bias[j] - mean[j]) * s->inverse[j];
    }
}

/* out = normalised columns, scaled and shifted: what mish is taken of. */
static void scaled(const struct pass *s, unsigned layer, float *out)
{
    const float *gamma = dhe_floats(s->p, dhe_bn(layer, DHE_GAMMA));
    const float *beta = dhe_floats(s->p, dhe_bn(layer, DHE_BETA));

    memcpy(out, s->normal[layer], s->n * s->width * sizeof *out);
    for (size_t i = 0; i < s->n; i++)
        kernels->f32_affine(out + i * s->width, gamma, beta, s->width);
}

static void forward(struct pass *s, const uint64_t *row)
{
    const struct parameters *p = s->p;

    for (size_t i = 0; i < s->n; i++)
        dhe_inputs(p, p->state, row[i], s->input + i * dhe_in(p, 0));
    for (unsigned l = 0; l < DHE_HIDDEN; l++) {
        kernels->f32_product(s->normal[l], layer_input(s, l), dhe_floats(p, dhe_weight(l)),
                             s->width, s->n, dhe_in(p, l), s->width);
        normalise(s, l);
        for (size_t i = 0; i < s->n; i++)
            kernels->f32_affine(s->normal[l] + i * s->width, s->inverse, s->shift, s->width);
        scaled(s, l, s->bent[l]);
        kernels->f32_mish(s->bent[l], s->n * s->width);
    }
}

static void add_rows(float *sum, const float *rows, size_t n, size_t dim)
{
    for (size_t i = 0; i < n; i++)
        kernels->f32_add(sum, rows + i * dim, dim);
}

/* Weights and bias of a layer from the gradient of what comes out of it. */
static void linear_back(const struct pass *s, unsigned layer, const float *grad, float **sum)
{
    size_t out = dhe_out(s->p, layer);

    kernels->f32_outer_add(sum[dhe_weight(layer)], out, layer_input(s, layer), grad, s->n,
                           dhe_in(s->p, layer), out);
    add_rows(sum[dhe_bias(layer)], grad, s->n, out);
}

/* From the gradient of a hidden layer's result, in s->back, to that of its product, in the same
   place. Scale and shift get theirs on the way. */
static void hidden_back(struct pass *s, unsigned layer, float **sum)
{
    const float *gamma = dhe_floats(s->p, dhe_bn(layer, DHE_GAMMA));
    size_t count = s->n * s->width;

    scaled(s, layer, s->other);
    kernels->f32_mish_back(s->back, s->other, count);
    add_rows(sum[dhe_bn(layer, DHE_BETA)], s->back, s->n, s->width);
    memcpy(s->other, s->back, count * sizeof *s->other);
    kernels->f32_mul(s->other, s->normal[layer], count);
    add_rows(sum[dhe_bn(layer, DHE_GAMMA)], s->other, s->n, s->width);
    normalise(s, layer);
    for (size_t i = 0; i < s->n; i++) {
        kernels->f32_mul(s->back + i * s->width, gamma, s->width);
        kernels->f32_mul(s->back + i * s->width, s->inverse, s->width);
    }
}

/* The gradient of what goes into a layer, to `to`, from that of what comes out of it. */
static void down(const struct pass *s, unsigned layer, const float *grad, float *to)
{
    size_t out = dhe_out(s->p, layer);

    memset(to, 0, s->n * s->width * sizeof *to);
    kernels->f32_dots_add(to, grad, dhe_floats(s->p, dhe_weight(layer)), out, s->n, s->width, out);
}

static void backward(struct pass *s, const float *grad, float **sum)
{
    unsigned last = DHE_LAYERS - 1;
    float *swap;

    linear_back(s, last, grad, sum);
    down(s, last, grad, s->back);
    for (unsigned l = last; l-- > 0;) {
        hidden_back(s, l, sum);
        linear_back(s, l, s->back, sum);
        if (l == 0)
            break;
        down(s, l, s->back, s->other);
        swap = s->back;
        s->back = s->other;
        s->other = swap;
    }
}

void dhe_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                  struct gradients *out)
{
    float *sum[METHOD_TENSORS_MAX];
    struct pass s;

    if (!n)
        return;
    touch_all(out, p, sum);
    for (size_t m; n; n -= m, row += m, grad += m * p->dim) {
        m = n < BLOCK ? n : BLOCK;
        pass_init(&s, p, m, out->scratch);
        s.n = m;
        forward(&s, row);
        backward(&s, grad, sum);
    }
}
