/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of the cores. With T = A B (d0 d1 rows of r2) and U = G C^T, what the loss says of T,

     dA[a,k] = sum U[a,b,l] B[k,b,l]   dB[k,b,l] = sum A[a,k] U[a,b,l]   dC[l,c] = sum T[a,b,l]
   G[a,b,c]

   A tile of T and U is in hand at a time. No state. */
#include "methods/tt.h"

#include <string.h>

#include "kernels/kernels.h"
#include "methods/gradient.h"

/* One row's slices and where their gradients go. */
struct row {
    struct tt_slices at;
    float *da, *db, *dc;
    const float *grad; /* all d0 d1 d2 columns */
};

/* Columns of the train that the table does not have count as zero. */
size_t tt_gradient_scratch(const struct parameters *p, size_t rows)
{
    struct tt_shape s = tt_shape(p->value);
    size_t columns = s.d[0] * s.d[1] * s.d[2];

    return rows && columns > p->dim ? columns : 0;
}

static void add_row(const struct tt_shape *s, const struct row *x)
{
    size_t stride = s->d[1] * s->r[2], r1 = s->r[1], r2 = s->r[2], d2 = s->d[2];
    float tile[TT_TILE], of_tile[TT_TILE];
    struct tt_tile t = tt_tile(s);

    for (size_t a = 0; a < s->d[0]; a += t.a)
        for (size_t b = 0; b < s->d[1]; b += t.b) {
            size_t as = s->d[0] - a < t.a ? s->d[0] - a : t.a;
            size_t bs = s->d[1] - b < t.b ? s->d[1] - b : t.b;
            const float *from_a = x->at.a + a * r1, *from_b = x->at.b + b * r2;
            const float *g = x->grad + (a * s->d[1] + b) * d2;

            kernels->f32_product(tile, from_a, from_b, stride, as, r1, bs * r2);
            kernels->f32_outer_add(x->dc, d2, tile, g, as * bs, r2, d2);
            memset(of_tile, 0, as * bs * r2 * sizeof *of_tile);
            kernels->f32_dots_add(of_tile, g, x->at.c, d2, as * bs, r2, d2);
            kernels->f32_dots_add(x->da + a * r1, of_tile, from_b, stride, as, r1, bs * r2);
            kernels->f32_outer_add(x->db + b * r2, stride, from_a, of_tile, as, r1, bs * r2);
        }
}

void tt_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                 struct gradients *out)
{
    size_t columns = tt_gradient_scratch(p, n);
    struct tt_shape s = tt_shape(p->value);
    uint64_t digit[3], place;

    if (columns)
        memset(out->scratch, 0, columns * sizeof *out->scratch);
    for (size_t i = 0; i < n; i++, grad += p->dim) {
        struct row x = {.grad = grad};

        if (tt_cached(p, row[i], &place)) {
            gradient_add(out, TT_CACHE_WEIGHT, &place, 1, grad);
            continue;
        }
        if (columns)
            x.grad = memcpy(out->scratch, grad, p->dim * sizeof *grad);
        tt_digits(&s, row[i], digit);
        x.at = tt_slices(p, &s, digit);
        x.da = gradient_at(out, TT_CORE0, digit[0]);
        x.db = gradient_at(out, TT_CORE1, digit[1]);
        x.dc = gradient_at(out, TT_CORE2, digit[2]);
        add_row(&s, &x);
    }
}
