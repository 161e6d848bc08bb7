/* SPDX-License-Identifier: Apache-2.0 */
/* Compositional embeddings: quotient and remainder of an id choose a row each from two small
   tables, so that all ids differ. Budget, start,
   explanation, fit and gradients are in files of their own. */
#include "methods/compo.h"

#include <inttypes.h>
#include <string.h>

#include "base/divide.h"
#include "kernels/kernels.h"

static const struct setting settings[] = {
    [COMPO_COLLISIONS] = {"collisions", SETTING_INT, .min = 1, .max = INT64_MAX,
                          .help = "rows of r.weight: how many ids share a row of q.weight"},
    [COMPO_OP] = {"op", SETTING_CHOICE, .choices = "mult add concat",
                  .help = "how the two rows become one"},
    [COMPO_QUOTIENT] = {"quotient", SETTING_CHOICE, .choices = "int f32div", .fallback = "int",
                        .help = "exact, or rounded to float32 as some weights were trained"},
    [COMPO_POOL] = {"pool", SETTING_CHOICE, .choices = "compose_first pool_first",
                    .fallback = "compose_first",
                    .help = "whether a bag pools whole rows, or each table's rows by themselves"},
};

/* The widths are sizes of their own, since concat divides the columns between the two. */
static const struct tensor_decl tensors[] = {
    [COMPO_Q] = {"q.weight", DT(F32), "Q DQ", .flags = TENSOR_TRAINED,
                 .help = "rows for the quotients"},
    [COMPO_R] = {"r.weight", DT(F32), "collisions DR", .flags = TENSOR_TRAINED,
                 .help = "rows for the remainders"},
};

struct compo_factors compo_factors(const struct parameters *p)
{
    return (struct compo_factors){
        .q = p->tensor[COMPO_Q].data,
        .r = p->tensor[COMPO_R].data,
        .q_dim = p->tensor[COMPO_Q].shape[1],
        .r_dim = p->tensor[COMPO_R].shape[1],
    };
}

static enum status check(struct parameters *p, struct error *e)
{
    const struct tensor *q = &p->tensor[COMPO_Q], *r = &p->tensor[COMPO_R];
    uint64_t last;

    if (p->value[COMPO_OP].i == COMPO_CONCAT) {
        if (!q->shape[1] || q->shape[1] >= p->dim || r->shape[1] != p->dim - q->shape[1])
            return error_set(e, ST_INVALID,
                             "q.weight has %" PRIu64 " columns and r.weight %" PRIu64
                             "; both need some, and together %" PRIu32,
                             q->shape[1], r->shape[1], p->dim);
    } else if (q->shape[1] != p->dim || r->shape[1] != p->dim) {
        return error_set(e, ST_INVALID,
                         "q.weight has %" PRIu64 " columns and r.weight %" PRIu64
                         "; both must have %" PRIu32,
                         q->shape[1], r->shape[1], p->dim);
    }
    if (p->rows) {
        last = compo_quotient(p->rows - 1, r->shape[0], p->value[COMPO_QUOTIENT].i);
        if (last >= q->shape[0])
            return error_set(e, ST_INVALID,
                             "q.weight has %" PRIu64 " rows, and id %" PRIu64 " needs row %" PRIu64,
                             q->shape[0], p->rows - 1, last);
    }
    p->pool_first = p->value[COMPO_POOL].i == COMPO_POOL_FIRST;
    return ST_OK;
}

void compo_split(const struct parameters *p, const uint64_t *row, size_t n, uint64_t *q,
                 uint64_t *r)
{
    uint64_t collisions = (uint64_t)p->value[COMPO_COLLISIONS].i;
    struct divider d = divider_of(collisions);

    for (size_t i = 0; i < n; i++) {
        q[i] = divide(&d, row[i]);
        r[i] = row[i] - q[i] * collisions;
    }
    if (p->value[COMPO_QUOTIENT].i == COMPO_F32DIV)
        for (size_t i = 0; i < n; i++)
            q[i] = compo_quotient(row[i], collisions, COMPO_F32DIV);
}

/* The quotients' rows are asked for together, since theirs is the larger table. */
static void concat_rows(const struct compo_factors *f, const uint64_t *q, const uint64_t *r,
                        size_t n, unsigned char *to)
{
    size_t q_bytes = f->q_dim * sizeof *f->q, r_bytes = f->r_dim * sizeof *f->r;

    for (size_t i = 0; i < n; i++)
        __builtin_prefetch(f->q + q[i] * f->q_dim);
    for (size_t i = 0; i < n; i++, to += q_bytes + r_bytes) {
        memcpy(to, f->q + q[i] * f->q_dim, q_bytes);
        memcpy(to + q_bytes, f->r + r[i] * f->r_dim, r_bytes);
    }
}

static void rows(const struct parameters *p, const uint64_t *row, size_t n, void *out)
{
    struct compo_factors f = compo_factors(p);
    uint64_t q[COMPO_BATCH], r[COMPO_BATCH];
    unsigned char *to = out;

    while (n) {
        size_t m = n < COMPO_BATCH ? n : COMPO_BATCH;

        compo_split(p, row, m, q, r);
        if (p->value[COMPO_OP].i == COMPO_MULT)
            kernels->f32_rows_times(to, f.q, q, f.r, r, p->dim, m);
        else if (p->value[COMPO_OP].i == COMPO_ADD)
            kernels->f32_rows_plus(to, f.q, q, f.r, r, p->dim, m);
        else
            concat_rows(&f, q, r, m, to);
        to += m * p->dim * sizeof(float);
        row += m;
        n -= m;
    }
}

/* Add the rows of one factor into `sum`, in the order of the ids. */
static void factor_sum(float *sum, const float *table, size_t dim, const uint64_t *row,
                       const void *weights, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float *in = table + row[i] * dim;
        float w;

        if (weights) {
            memcpy(&w, (const unsigned char *)weights + i * sizeof w, sizeof w);
            kernels->f32_add_scaled(sum, in, w, dim);
        } else {
            kernels->f32_add(sum, in, dim);
        }
    }
}

void compo_sums(const struct parameters *p, const uint64_t *row, const void *weights, size_t n,
                float divisor, float *scratch)
{
    struct compo_factors f = compo_factors(p);
    float *q_sum = scratch, *r_sum = scratch + p->dim;
    uint64_t q[COMPO_BATCH], r[COMPO_BATCH];

    memset(q_sum, 0, f.q_dim * sizeof *q_sum);
    memset(r_sum, 0, f.r_dim * sizeof *r_sum);
    while (n) {
        size_t m = n < COMPO_BATCH ? n : COMPO_BATCH;

        compo_split(p, row, m, q, r);
        factor_sum(q_sum, f.q, f.q_dim, q, weights, m);
        factor_sum(r_sum, f.r, f.r_dim, r, weights, m);
        if (weights)
            weights = (const unsigned char *)weights + m * sizeof(float);
        row += m;
        n -= m;
    }
    if (divisor != 1) {
        kernels->f32_div(q_sum, divisor, f.q_dim);
        kernels->f32_div(r_sum, divisor, f.r_dim);
    }
}

static void pool(const struct parameters *p, const uint64_t *row, const void *weights, size_t n,
                 float divisor, void *out, float *scratch)
{
    struct compo_factors f = compo_factors(p);
    float *q_sum = scratch, *r_sum = scratch + p->dim;

    compo_sums(p, row, weights, n, divisor, scratch);
    memcpy(out, q_sum, f.q_dim * sizeof *q_sum);
    if (p->value[COMPO_OP].i == COMPO_MULT)
        kernels->f32_mul(out, r_sum, f.r_dim);
    else if (p->value[COMPO_OP].i == COMPO_ADD)
        kernels->f32_add(out, r_sum, f.r_dim);
    else
        memcpy((unsigned char *)out + f.q_dim * sizeof *q_sum, r_sum, f.r_dim * sizeof *r_sum);
}

static uint64_t work(const struct parameters *p)
{
    return p->value[COMPO_OP].i == COMPO_CONCAT ? 0 : p->dim;
}

const struct method method_compo = {
    .name = "compo",
    .title = "CompoEmb (quotient-remainder)",
    .source = "Shi et al., KDD 2020",
    .per_field = true,
    .fit_extension = true,
    .settings = settings,
    .settings_count = sizeof settings / sizeof settings[0],
    .tensors = tensors,
    .tensors_count = sizeof tensors / sizeof tensors[0],
    .check = check,
    .rows = rows,
    .pool = pool,
    .work = work,
    .gradient = compo_gradient,
    .pool_gradient = compo_pool_gradient,
    .plan = compo_plan,
    .share = compo_share,
    .author_words = compo_author_words,
    .init = compo_init,
    .explain = compo_explain,
    .grows = true,
};
