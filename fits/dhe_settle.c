/* SPDX-License-Identifier: Apache-2.0 */
/* What follows training: the statistics that lookups normalise by, and the last layer, both over
   the table. A layer's statistics need those before it, so each takes a pass of its own. */
#include <cblas.h>
#include <string.h>

#include "fits/dhe.h"
#include "fits/linear.h"

#define RIDGE                                                                                      \
    1e-6 /* of the mean column: keeps dependent columns from growing against each other            \
          */

/* A pass over rows: all that weigh anything, in their order, or the first of the drawn order. */
struct pass {
    uint64_t sample; /* 0: all */
    uint64_t at;
    double from, to;
};

/* Ids of the next rows, and their weights; returns how many, 0 at the end. */
static size_t next_rows(struct dhe_trainer *t, struct pass *pass, float *weight)
{
    size_t n = 0;

    for (; n < t->batch && pass->at < (pass->sample ? pass->sample : t->fit->rows); pass->at++) {
        const float *weights = t->order.sum ? t->order.weight : NULL;

        weight[n] = weights && !pass->sample ? weights[pass->at] : 1;
        if (weight[n] > 0)
            t->id[n++] = pass->sample ? dhe_order_row(&t->order, pass->at) : pass->at;
    }
    return n;
}

static enum status tell(struct dhe_trainer *t, const struct pass *pass, struct error *e)
{
    double all = (double)(pass->sample ? pass->sample : t->fit->rows);

    return dhe_tell(t, pass->from + (pass->to - pass->from) * (double)pass->at / all, e);
}

/* Weighted sums and squares of the columns of x. */
static void add_columns(struct dhe_trainer *t, const float *x, const float *weight, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double w = (double)weight[i];

        for (size_t j = 0; j < t->width; j++) {
            double y = (double)x[i * t->width + j];

            t->sum[j] += w * y;
            t->squares[j] += w * y * y;
        }
    }
}

static enum status recalibrate_layer(struct dhe_trainer *t, unsigned layer, struct pass *pass,
                                     struct error *e)
{
    float *mean = dhe_floats(t->p, dhe_bn(layer, DHE_MEAN));
    float *var = dhe_floats(t->p, dhe_bn(layer, DHE_VAR));
    const float *bias = dhe_floats(t->p, dhe_bias(layer));
    float *weight = t->target; /* [batch], which training is done with */
    double total = 0;
    enum status st;
    size_t n;

    memset(t->sum, 0, 2 * t->width * sizeof *t->sum);
    while ((n = next_rows(t, pass, weight))) {
        const float *input = dhe_through(t, n, layer);

        product(t->normal[layer], input, dhe_floats(t->p, dhe_weight(layer)), n, t->width,
                dhe_in(t->p, layer));
        add_columns(t, t->normal[layer], weight, n);
        for (size_t i = 0; i < n; i++)
            total += (double)weight[i];
        if ((st = tell(t, pass, e)) != ST_OK)
            return st;
    }
    for (size_t j = 0; total > 0 && j < t->width; j++) {
        double m = t->sum[j] / total, v = t->squares[j] / total - m * m;

        mean[j] = (float)(m + (double)bias[j]);
        var[j] = v > 0 ? (float)v : 0;
    }
    return ST_OK;
}

enum status dhe_recalibrate(struct dhe_trainer *t, uint64_t sample, double from, double to,
                            struct error *e)
{
    double step = (to - from) / 15, at = from; /* layer l costs l + 1 products */
    enum status st = ST_OK;

    for (unsigned l = 0; st == ST_OK && l < DHE_HIDDEN; l++) {
        struct pass pass = {.sample = sample, .from = at, .to = at + step * (l + 1)};

        st = recalibrate_layer(t, l, &pass, e);
        at = pass.to;
    }
    return st;
}

/* ---- The last layer ---- */

/* The equations, in Adam's room: left [width + 1][width + 1], of the columns and a one, and right
   [width + 1][dim]. */
static double *left_of(const struct dhe_trainer *t)
{
    return (double *)(void *)t->moment;
}

static double *right_of(const struct dhe_trainer *t)
{
    return left_of(t) + (t->width + 1) * (t->width + 1);
}

/* Add n <= DHE_EQUATIONS rows: columns x, wanted rows y. */
static void add_equations(struct dhe_trainer *t, const float *x, const float *y,
                          const float *weight, size_t n)
{
    size_t width = t->width, dim = t->dim;
    double *left = t->equation, *right = left + DHE_EQUATIONS * (width + 1);

    for (size_t i = 0; i < n; i++) {
        double root = sqrt((double)weight[i]), *to = left + i * (width + 1);

        for (size_t j = 0; j < width; j++)
            to[j] = root * (double)x[i * width + j];
        to[width] = root;
        for (size_t j = 0; j < dim; j++)
            right[i * dim + j] = root * ((double)y[i * dim + j] - t->mean[j]);
    }
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, (int)width + 1, (int)n, 1, left,
                (int)width + 1, 1, left_of(t), (int)width + 1);
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)width + 1, (int)dim, (int)n, 1, left,
                (int)width + 1, right, (int)dim, 1, right_of(t), (int)dim);
}

static enum status gather(struct dhe_trainer *t, struct pass *pass, struct error *e)
{
    const struct fit *f = t->fit;
    float *weight = t->back; /* [batch] */
    enum status st;
    size_t n;

    memset(t->moment, 0, 2 * t->count * sizeof *t->moment);
    while ((n = next_rows(t, pass, weight))) {
        const float *x = dhe_through(t, n, DHE_HIDDEN);

        for (size_t i = 0; i < n; i++)
            if ((st = f->read(f->context, t->id[i], 1, t->target + i * t->dim, e)) != ST_OK)
                return st;
        for (size_t i = 0; i < n; i += DHE_EQUATIONS)
            add_equations(t, x + i * t->width, t->target + i * t->dim, weight + i,
                          n - i < DHE_EQUATIONS ? n - i : DHE_EQUATIONS);
        if ((st = tell(t, pass, e)) != ST_OK)
            return st;
    }
    return ST_OK;
}

enum status dhe_solve_last(struct dhe_trainer *t, double from, double to, struct error *e)
{
    size_t size = t->width + 1;
    struct pass pass = {.from = from, .to = to};
    double *left = left_of(t), *right = right_of(t), trace = 0;
    float *weight = dhe_floats(t->p, dhe_weight(DHE_LAYERS - 1));
    float *bias = dhe_floats(t->p, dhe_bias(DHE_LAYERS - 1));
    enum status st;

    if ((st = gather(t, &pass, e)) != ST_OK)
        return st;
    for (size_t i = 0; i < size; i++)
        trace += left[i * size + i];
    for (size_t i = 0; i < size; i++)
        left[i * size + i] += RIDGE * trace / (double)size;
    st = solve_positive(left, size, right, t->dim, NULL);
    if (st == ST_PRECONDITION) /* numbers too large to square: what was trained stays */
        return ST_OK;
    if (st != ST_OK)
        return error_memory(e, "the last layer");
    for (size_t l = 0; l < t->width; l++)
        for (size_t j = 0; j < t->dim; j++)
            weight[l * t->dim + j] = dhe_float(right[l * t->dim + j]);
    for (size_t j = 0; j < t->dim; j++)
        bias[j] = dhe_float(right[t->width * t->dim + j] + t->mean[j]);
    return ST_OK;
}
