/* SPDX-License-Identifier: Apache-2.0 */
/* Training the network of dhe: forward and back for a batch, whose own statistics normalise it, and
   Adam's step. Products are BLAS's. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "fits/dhe.h"
#include "fits/linear.h"
#include "kernels/kernels.h"
#include "methods/init.h"
#include "methods/optimizer.h"

#define BETA1 0.9
#define BETA2 0.999
#define EPSILON 1e-8
#define TELL_US 50000 /* between two reports of progress */

static size_t trained_floats(const struct parameters *p)
{
    size_t count = 0;

    for (unsigned t = 0; t < p->method->tensors_count; t++)
        if (tensor_trained(p, t))
            count += p->tensor[t].count;
    return count;
}

/* Where a tensor's numbers are in arrays of all trained ones. */
static size_t place_of(const struct parameters *p, unsigned tensor)
{
    size_t place = 0;

    for (unsigned t = 0; t < tensor; t++)
        if (tensor_trained(p, t))
            place += p->tensor[t].count;
    return place;
}

static float *gradient_of(const struct dhe_trainer *t, unsigned tensor)
{
    return t->gradient + place_of(t->p, tensor);
}

enum status dhe_trainer_init(struct dhe_trainer *t, const struct fit *fit, struct parameters *p,
                             size_t batch, struct error *e)
{
    struct init start = {.seed = fit->seed, .deviation = 0.1};
    size_t k = dhe_in(p, 0), width = dhe_width(p), dim = p->dim, row;
    enum status st;

    *t = (struct dhe_trainer){
        .fit = fit, .p = p, .k = k, .width = width, .dim = dim, .batch = batch};
    t->count = trained_floats(p);
    row = k + (2 * DHE_HIDDEN + 2) * width + 2 * dim;
    t->order = (struct dhe_order){.rows = fit->rows, .key = draws_of(&start, "order").key};
    t->mean = mem_zero(dim, sizeof *t->mean);
    t->deviation = mem_zero(dim, sizeof *t->deviation);
    t->importance = mem_zero(dim, sizeof *t->importance);
    t->gradient = mem_zero(t->count, sizeof *t->gradient);
    t->moment = mem_zero(t->count, 2 * sizeof *t->moment);
    t->order.weight = fit->weight;
    t->id = mem_zero(batch, sizeof *t->id);
    t->activations = mem_zero(batch, row * sizeof *t->activations);
    t->inverse = mem_zero((DHE_HIDDEN + 1) * width, sizeof *t->inverse);
    t->sum = mem_zero(2 * width, sizeof *t->sum);
    t->equation = mem_zero(DHE_EQUATIONS, (width + 1 + dim) * sizeof *t->equation);
    if (fit->weight)
        t->order.sum = mem_zero(fit->rows, sizeof *t->order.sum);
    if (!t->mean || !t->deviation || !t->importance || !t->gradient || !t->moment || !t->id ||
        !t->activations || !t->inverse || !t->sum || !t->equation || (fit->weight && !t->order.sum))
        return error_memory(e, "training");
    t->shift = t->inverse + DHE_HIDDEN * width;
    t->squares = t->sum + width;
    t->input = t->activations;
    t->back = t->input + batch * k;
    t->other = t->back + batch * width;
    t->out = t->other + batch * width;
    t->target = t->out + batch * dim;
    for (unsigned l = 0; l < DHE_HIDDEN; l++) {
        t->normal[l] = t->target + batch * dim + 2 * l * batch * width;
        t->bent[l] = t->normal[l] + batch * width;
    }
    if ((st = dhe_init(&start, p, e)) != ST_OK)
        return st;
    return dhe_small(p, &t->small, e);
}

void dhe_trainer_done(struct dhe_trainer *t)
{
    mem_free(t->small);
    mem_free(t->order.sum);
    mem_free(t->equation);
    mem_free(t->sum);
    mem_free(t->inverse);
    mem_free(t->activations);
    mem_free(t->id);
    mem_free(t->moment);
    mem_free(t->gradient);
    mem_free(t->importance);
    mem_free(t->deviation);
    mem_free(t->mean);
}

enum status dhe_tell(struct dhe_trainer *t, double done, struct error *e)
{
    uint64_t now = clock_now_us();

    if (t->told_us && now - t->told_us < TELL_US)
        return ST_OK;
    t->told_us = now;
    return fit_progress(t->fit, done, e);
}

/* ---- Forward ---- */

static const float *layer_input(const struct dhe_trainer *t, unsigned layer)
{
    return layer ? t->bent[layer - 1] : t->input;
}

/* bent = mish(normal * gamma + beta); the argument of mish is left in `y` if it is not NULL. */
static void scaled(const struct dhe_trainer *t, unsigned layer, size_t n, float *y)
{
    const float *gamma = dhe_floats(t->p, dhe_bn(layer, DHE_GAMMA));
    const float *beta = dhe_floats(t->p, dhe_bn(layer, DHE_BETA));

    memcpy(y, t->normal[layer], n * t->width * sizeof *y);
    for (size_t i = 0; i < n; i++)
        kernels->f32_affine(y + i * t->width, gamma, beta, t->width);
}

/* The product of a hidden layer, by columns, to mean 0 and deviation 1 over the batch. */
static void normalise(struct dhe_trainer *t, unsigned layer, size_t n)
{
    float *x = t->normal[layer], *inverse = t->inverse + layer * t->width;
    double *sum = t->sum, *squares = t->squares, over = 1 / (double)n;
    size_t width = t->width;

    memset(sum, 0, 2 * width * sizeof *sum);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < width; j++)
            sum[j] += (double)x[i * width + j];
    for (size_t j = 0; j < width; j++)
        sum[j] *= over;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < width; j++) {
            double from = (double)x[i * width + j] - sum[j];

            squares[j] += from * from;
        }
    for (size_t j = 0; j < width; j++) {
        inverse[j] = dhe_inverse((float)(squares[j] * over), t->p->value[DHE_BN_EPS].r);
        t->shift[j] = (float)(-sum[j] * (double)inverse[j]);
    }
    for (size_t i = 0; i < n; i++)
        kernels->f32_affine(x + i * width, inverse, t->shift, width);
}

static void forward(struct dhe_trainer *t, size_t n)
{
    const struct parameters *p = t->p;
    unsigned last = DHE_LAYERS - 1;

    for (size_t i = 0; i < n; i++)
        dhe_inputs(p, t->small, t->id[i], t->input + i * t->k);
    for (unsigned l = 0; l < DHE_HIDDEN; l++) {
        product(t->normal[l], layer_input(t, l), dhe_floats(p, dhe_weight(l)), n, t->width,
                dhe_in(p, l));
        normalise(t, l, n);
        scaled(t, l, n, t->bent[l]);
        kernels->f32_mish(t->bent[l], n * t->width);
    }
    product(t->out, layer_input(t, last), dhe_floats(p, dhe_weight(last)), n, t->dim, t->width);
    for (size_t i = 0; i < n; i++)
        kernels->f32_add(t->out + i * t->dim, dhe_floats(p, dhe_bias(last)), t->dim);
}

/* Folded as lookups do it; shift and the first layer's inverse serve as its room. */
const float *dhe_through(struct dhe_trainer *t, size_t n, unsigned layers)
{
    const struct parameters *p = t->p;

    for (size_t i = 0; i < n; i++)
        dhe_inputs(p, t->small, t->id[i], t->input + i * t->k);
    for (unsigned l = 0; l < layers; l++) {
        float *x = t->bent[l];

        dhe_fold(p, l, t->inverse, t->shift);
        product(x, layer_input(t, l), dhe_floats(p, dhe_weight(l)), n, t->width, dhe_in(p, l));
        for (size_t i = 0; i < n; i++)
            kernels->f32_affine(x + i * t->width, t->inverse, t->shift, t->width);
        kernels->f32_mish(x, n * t->width);
    }
    return layer_input(t, layers);
}

/* ---- Back ---- */

static void columns_sum(float *out, const float *x, size_t n, size_t dim)
{
    memset(out, 0, dim * sizeof *out);
    for (size_t i = 0; i < n; i++)
        kernels->f32_add(out, x + i * dim, dim);
}

/* From the gradient of what mish gave, in t->back, to that of the product. */
static void hidden_back(struct dhe_trainer *t, unsigned layer, size_t n)
{
    float *of_gamma = gradient_of(t, dhe_bn(layer, DHE_GAMMA));
    float *of_beta = gradient_of(t, dhe_bn(layer, DHE_BETA));
    const float *gamma = dhe_floats(t->p, dhe_bn(layer, DHE_GAMMA));
    const float *inverse = t->inverse + layer * t->width, *normal = t->normal[layer];
    size_t width = t->width;
    float over = 1 / (float)n;

    scaled(t, layer, n, t->other);
    kernels->f32_mish_back(t->back, t->other, n * width);
    columns_sum(of_beta, t->back, n, width);
    memcpy(t->other, t->back, n * width * sizeof *t->other);
    kernels->f32_mul(t->other, normal, n * width);
    columns_sum(of_gamma, t->other, n, width);
    for (size_t i = 0; i < n; i++) {
        float *back = t->back + i * width;
        const float *own = normal + i * width;

        for (size_t j = 0; j < width; j++)
            back[j] =
                gamma[j] * inverse[j] * (back[j] - over * (of_beta[j] + own[j] * of_gamma[j]));
    }
}

/* The bias of a hidden layer has no gradient: normalisation takes it away again. */
static void backward(struct dhe_trainer *t, size_t n)
{
    const struct parameters *p = t->p;
    unsigned last = DHE_LAYERS - 1;
    float *swap;

    columns_sum(gradient_of(t, dhe_bias(last)), t->out, n, t->dim);
    product_of_columns(gradient_of(t, dhe_weight(last)), layer_input(t, last), t->out, t->width,
                       t->dim, n);
    product_transposed(t->back, t->out, dhe_floats(p, dhe_weight(last)), n, t->width, t->dim);
    for (unsigned l = last; l-- > 0;) {
        hidden_back(t, l, n);
        product_of_columns(gradient_of(t, dhe_weight(l)), layer_input(t, l), t->back, dhe_in(p, l),
                           t->width, n);
        if (l == 0)
            break;
        product_transposed(t->other, t->back, dhe_floats(p, dhe_weight(l)), n, t->width, t->width);
        swap = t->back;
        t->back = t->other;
        t->other = swap;
    }
}

static void adam(struct dhe_trainer *t, double rate)
{
    double steps = (double)++t->steps;
    float of_mean = (float)(1 / (1 - pow(BETA1, steps)));
    float of_square = (float)(1 / (1 - pow(BETA2, steps)));
    const float *g = t->gradient;
    float *m = t->moment, *v = t->moment + t->count;

    for (unsigned k = 0; k < t->p->method->tensors_count; k++) {
        float *x = dhe_floats(t->p, k);
        size_t n = t->p->tensor[k].count;

        if (!tensor_trained(t->p, k))
            continue;
        for (size_t i = 0; i < n; i++) {
            m[i] = (float)BETA1 * m[i] + (float)(1 - BETA1) * g[i];
            v[i] = (float)BETA2 * v[i] + (float)(1 - BETA2) * g[i] * g[i];
            x[i] -= (float)rate * (m[i] * of_mean) / (sqrtf(v[i] * of_square) + (float)EPSILON);
        }
        g += n;
        m += n;
        v += n;
    }
}

/* Rows of the table, as the last layer shall give them while it is trained. */
static enum status read_targets(struct dhe_trainer *t, size_t n, struct error *e)
{
    const struct fit *f = t->fit;
    enum status st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < n; i++) {
        float *x = t->target + i * t->dim;

        st = f->read(f->context, t->id[i], 1, x, e);
        for (size_t j = 0; st == ST_OK && j < t->dim; j++)
            x[j] =
                (float)(((double)x[j] - t->mean[j]) / (t->deviation[j] > 0 ? t->deviation[j] : 1));
    }
    return st;
}

enum status dhe_step(struct dhe_trainer *t, double rate, struct error *e)
{
    size_t n = t->batch;
    enum status st;

    for (size_t i = 0; i < n; i++)
        t->id[i] = dhe_order_row(&t->order, t->steps * n + i);
    if ((st = read_targets(t, n, e)) != ST_OK)
        return st;
    forward(t, n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < t->dim; j++)
            t->out[i * t->dim + j] =
                (t->out[i * t->dim + j] - t->target[i * t->dim + j]) * t->importance[j] / (float)n;
    backward(t, n);
    adam(t, rate);
    return ST_OK;
}

void dhe_unscale(struct dhe_trainer *t)
{
    float *weight = dhe_floats(t->p, dhe_weight(DHE_LAYERS - 1));
    float *bias = dhe_floats(t->p, dhe_bias(DHE_LAYERS - 1));

    for (size_t j = 0; j < t->dim; j++)
        bias[j] = dhe_float((double)bias[j] * t->deviation[j] + t->mean[j]);
    for (size_t l = 0; l < t->width; l++)
        for (size_t j = 0; j < t->dim; j++)
            weight[l * t->dim + j] = dhe_float((double)weight[l * t->dim + j] * t->deviation[j]);
}
