/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of the cores. With T = A B (d0 d1 rows of r2) and U = G C^T, what the loss says of T,

     dA[a,k] = sum U[a,b,l] B[k,b,l]   dB[k,b,l] = sum A[a,k] U[a,b,l]   dC[l,c] = sum T[a,b,l]
   G[a,b,c]

   A part of T and U is in hand at a time, that of one a. No state. */
#include "methods/tt.h"

#include <string.h>

#include "kernels/kernels.h"
#include "methods/gradient.h"

/* One row's slices and where their gradients go. */
struct row {
    const struct tt_shape *s;
    struct tt_slices at;
    float *da, *db, *dc;
    const float *grad; /* [dim] */
    size_t dim;
};

/* dC += T G and U = G C^T for `m` rows of T, which begin with row `first`. */
static void last_core(const struct row *x, size_t first, size_t m, const float *t, float *u)
{
    size_t d2 = x->s->d[2], r2 = x->s->r[2];

    memset(u, 0, m * r2 * sizeof *u);
    for (size_t i = 0; i < m && (first + i) * d2 < x->dim; i++, t += r2, u += r2) {
        const float *g = x->grad + (first + i) * d2;
        size_t n = x->dim - (first + i) * d2 < d2 ? x->dim - (first + i) * d2 : d2;

        for (size_t l = 0; l < r2; l++) {
            float *dc = x->dc + l * d2, sum = 0;
            const float *c = x->at.c + l * d2;

            for (size_t j = 0; j < n; j++) {
                dc[j] += t[l] * g[j];
                sum += g[j] * c[j];
            }
            u[l] = sum;
        }
    }
}

static void add_row(const struct row *x)
{
    const struct tt_shape *s = x->s;
    size_t stride = s->d[1] * s->r[2], room = tt_tile(s).b;
    float t[TT_TILE], u[TT_TILE];

    for (size_t a = 0; a < s->d[0]; a++)
        for (size_t b = 0; b < s->d[1]; b += room) {
            size_t m = s->d[1] - b < room ? s->d[1] - b : room, n = m * s->r[2];
            const float *from = x->at.b + b * s->r[2], *scale = x->at.a + a * s->r[1];
            float *to = x->db + b * s->r[2];

            if ((a * s->d[1] + b) * s->d[2] >= x->dim)
                return; /* padding from here on */
            kernels->f32_product(t, scale, from, stride, 1, s->r[1], n);
            last_core(x, a * s->d[1] + b, m, t, u);
            for (size_t k = 0; k < s->r[1]; k++) {
                x->da[a * s->r[1] + k] += kernels->f32_dot(u, from + k * stride, n);
                kernels->f32_add_scaled(to + k * stride, u, scale[k], n);
            }
        }
}

void tt_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                 struct gradients *out)
{
    struct tt_shape s = tt_shape(p->value);
    uint64_t digit[3], place;

    for (size_t i = 0; i < n; i++, grad += p->dim) {
        struct row x = {.s = &s, .grad = grad, .dim = p->dim};

        if (tt_cached(p, row[i], &place)) {
            gradient_add(out, TT_CACHE_WEIGHT, &place, 1, grad);
            continue;
        }
        tt_digits(&s, row[i], digit);
        x.at = tt_slices(p, &s, digit);
        x.da = gradient_at(out, TT_CORE0, digit[0]);
        x.db = gradient_at(out, TT_CORE1, digit[1]);
        x.dc = gradient_at(out, TT_CORE2, digit[2]);
        add_row(&x);
    }
}
