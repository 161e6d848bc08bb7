/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups of dhe: a block of ids goes through the network at a time, so that a layer's weights are
   fetched once for all of them. The parameters may change between calls, so nothing is kept. */
#include "methods/dhe.h"

#include "kernels/kernels.h"

#define ROOM 112640 /* floats on the stack: 440 KiB */
#define BLOCK 64    /* ids: more do not make the weights cheaper */

void dhe_fold(const struct parameters *p, unsigned layer, float *scale, float *shift)
{
    const float *gamma = dhe_floats(p, dhe_bn(layer, DHE_GAMMA));
    const float *beta = dhe_floats(p, dhe_bn(layer, DHE_BETA));
    const float *mean = dhe_floats(p, dhe_bn(layer, DHE_MEAN));
    const float *var = dhe_floats(p, dhe_bn(layer, DHE_VAR));
    const float *bias = dhe_floats(p, dhe_bias(layer));
    double eps = p->value[DHE_BN_EPS].r;

    for (size_t j = 0; j < dhe_width(p); j++) {
        scale[j] = gamma[j] * dhe_inverse(var[j], eps);
        shift[j] = (bias[j] - mean[j]) * scale[j] + beta[j];
    }
}

/* The hidden layers for `n` ids. Inputs and every second result are in `even`, the others, and the
   last, in `odd`. */
static void hidden(const struct parameters *p, size_t n, float *even, float *odd, float *scale,
                   float *shift)
{
    size_t width = dhe_width(p);

    for (unsigned l = 0; l < DHE_HIDDEN; l++) {
        float *from = l % 2 ? odd : even, *to = l % 2 ? even : odd;

        dhe_fold(p, l, scale, shift);
        kernels->f32_product(to, from, dhe_floats(p, dhe_weight(l)), width, n, dhe_in(p, l), width);
        for (size_t i = 0; i < n; i++)
            kernels->f32_affine(to + i * width, scale, shift, width);
        kernels->f32_mish(to, n * width);
    }
}

void dhe_rows(const struct parameters *p, const uint64_t *row, size_t n, void *out)
{
    size_t k = dhe_in(p, 0), width = dhe_width(p), most = k > width ? k : width;
    size_t block = (ROOM - 2 * width) / (most + width); /* at least 2: DHE_MOST */
    float room[ROOM], *scale = room, *shift = scale + width, *even = shift + width, *odd;
    const float *bias = dhe_floats(p, dhe_bias(DHE_LAYERS - 1));
    unsigned char *to = out;

    block = block < BLOCK ? block : BLOCK;
    block = block < n ? block : n;
    odd = even + block * most;
    for (size_t m; n; n -= m, row += m) {
        m = n < block ? n : block;
        for (size_t i = 0; i < m; i++)
            dhe_inputs(p, p->state, row[i], even + i * k);
        hidden(p, m, even, odd, scale, shift);
        kernels->f32_product(to, odd, dhe_floats(p, dhe_weight(DHE_LAYERS - 1)), p->dim, m, width,
                             p->dim);
        for (size_t i = 0; i < m; i++, to += p->dim * sizeof(float))
            kernels->f32_add(to, bias, p->dim);
    }
}
