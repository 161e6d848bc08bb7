/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of compositional embeddings. Both factors are read as they were before the push; sums
   are in the order of the ids. No state. */
#include "methods/compo.h"

#include <string.h>

#include "kernels/kernels.h"
#include "methods/gradient.h"

/* acc += a * b, element by element */
static void add_product(float *restrict acc, const float *restrict a, const float *restrict b,
                        size_t n)
{
    for (size_t j = 0; j < n; j++)
        acc[j] += a[j] * b[j];
}

void compo_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                    struct gradients *out)
{
    struct compo_factors f = compo_factors(p);
    int64_t op = p->value[COMPO_OP].i;
    uint64_t q[COMPO_BATCH], r[COMPO_BATCH];

    while (n) {
        size_t m = n < COMPO_BATCH ? n : COMPO_BATCH;

        compo_split(p, row, m, q, r);
        for (size_t i = 0; i < m; i++, grad += p->dim) {
            float *to_q = gradient_at(out, COMPO_Q, q[i]), *to_r = gradient_at(out, COMPO_R, r[i]);

            if (op == COMPO_MULT) {
                add_product(to_q, grad, f.r + r[i] * f.r_dim, f.q_dim);
                add_product(to_r, grad, f.q + q[i] * f.q_dim, f.r_dim);
            } else {
                kernels->f32_add(to_q, grad, f.q_dim);
                kernels->f32_add(to_r, op == COMPO_ADD ? grad : grad + f.q_dim, f.r_dim);
            }
        }
        row += m;
        n -= m;
    }
}

/* The pooled factors' own gradients take the place of their sums. */
static void sums_gradient(const struct parameters *p, const float *grad, float divisor,
                          const struct compo_factors *f, float *q_sum, float *r_sum)
{
    switch (p->value[COMPO_OP].i) {
    case COMPO_MULT:
        for (size_t j = 0; j < f->q_dim; j++) {
            float q = q_sum[j];

            q_sum[j] = grad[j] * r_sum[j];
            r_sum[j] = grad[j] * q;
        }
        break;
    case COMPO_ADD:
        memcpy(q_sum, grad, f->q_dim * sizeof *q_sum);
        memcpy(r_sum, grad, f->r_dim * sizeof *r_sum);
        break;
    default:
        memcpy(q_sum, grad, f->q_dim * sizeof *q_sum);
        memcpy(r_sum, grad + f->q_dim, f->r_dim * sizeof *r_sum);
    }
    if (divisor != 1) {
        kernels->f32_div(q_sum, divisor, f->q_dim);
        kernels->f32_div(r_sum, divisor, f->r_dim);
    }
}

void compo_pool_gradient(const struct parameters *p, const uint64_t *row, const void *weights,
                         size_t n, float divisor, const float *grad, struct gradients *out,
                         float *scratch)
{
    struct compo_factors f = compo_factors(p);
    float *of_q = scratch, *of_r = scratch + p->dim, w;
    uint64_t q[COMPO_BATCH], r[COMPO_BATCH];

    if (p->value[COMPO_OP].i == COMPO_MULT)
        compo_sums(p, row, weights, n, divisor, scratch);
    sums_gradient(p, grad, divisor, &f, of_q, of_r);
    while (n) {
        size_t m = n < COMPO_BATCH ? n : COMPO_BATCH;

        compo_split(p, row, m, q, r);
        for (size_t i = 0; i < m; i++) {
            float *to_q = gradient_at(out, COMPO_Q, q[i]), *to_r = gradient_at(out, COMPO_R, r[i]);

            if (weights) {
                memcpy(&w, (const unsigned char *)weights + i * sizeof w, sizeof w);
                kernels->f32_add_scaled(to_q, of_q, w, f.q_dim);
                kernels->f32_add_scaled(to_r, of_r, w, f.r_dim);
            } else {
                kernels->f32_add(to_q, of_q, f.q_dim);
                kernels->f32_add(to_r, of_r, f.r_dim);
            }
        }
        if (weights)
            weights = (const unsigned char *)weights + m * sizeof w;
        row += m;
        n -= m;
    }
}
