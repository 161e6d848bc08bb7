/* SPDX-License-Identifier: Apache-2.0 */
/* Lookups of dhe: a block of different ids goes through the network at a time, so that a layer's
   weights are fetched once for all of them. The parameters may change between calls, so nothing is
   kept. */
#include "methods/dhe.h"

#include <string.h>

#include "kernels/kernels.h"

#define BATCH 4096  /* ids of which each goes through the network once; below 2^16 */
#define ROOM 184320 /* floats on the stack: 720 KiB */
#define BLOCK 96    /* ids: more do not make the weights cheaper */
#define TILE 6      /* ids that f32_product() takes together: blocks are multiples */

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

/* Different ids through the network. */
static void network(const struct parameters *p, const uint64_t *row, size_t n, unsigned char *out)
{
    size_t k = dhe_in(p, 0), width = dhe_width(p), most = k > width ? k : width;
    size_t block = (ROOM - 2 * width) / (most + width); /* at least 4: DHE_MOST */
    float room[ROOM], *scale = room, *shift = scale + width, *even = shift + width, *odd;
    const float *bias = dhe_floats(p, dhe_bias(DHE_LAYERS - 1));

    block = block > TILE ? block - block % TILE : block;
    block = block < BLOCK ? block : BLOCK;
    block = block < n ? block : n;
    odd = even + block * most;
    for (size_t m; n; n -= m, row += m) {
        m = n < block ? n : block;
        for (size_t i = 0; i < m; i++)
            dhe_inputs(p, p->state, row[i], even + i * k);
        hidden(p, m, even, odd, scale, shift);
        kernels->f32_product(out, odd, dhe_floats(p, dhe_weight(DHE_LAYERS - 1)), p->dim, m, width,
                             p->dim);
        for (size_t i = 0; i < m; i++, out += p->dim * sizeof(float))
            kernels->f32_add(out, bias, p->dim);
    }
}

/* The ids of a batch, each once, in the order in which they first come, and where among them each
   one is: never behind its own place. A table tells who was seen; where two ids meet in it the
   earlier one is forgotten, which costs nothing but making its row again. */
static size_t distinct(const uint64_t *row, size_t n, uint64_t *different, uint16_t *place)
{
    uint16_t seen[2 * BATCH]; /* place among the different ones */
    unsigned bits = 1;
    size_t count = 0;

    while ((size_t)1 << bits < 2 * n)
        bits++;
    memset(seen, 0, sizeof *seen << bits);
    for (size_t i = 0; i < n; i++) {
        uint16_t *at = &seen[row[i] * 0x9e3779b97f4a7c15u >> (64 - bits)];

        if (*at >= count || different[*at] != row[i]) {
            *at = (uint16_t)count;
            different[count++] = row[i];
        }
        place[i] = *at;
    }
    return count;
}

void dhe_rows(const struct parameters *p, const uint64_t *row, size_t n, void *out)
{
    size_t bytes = p->dim * sizeof(float);
    uint64_t different[BATCH];
    unsigned char *to = out;
    uint16_t place[BATCH];

    for (size_t m; n; n -= m, row += m, to += m * bytes) {
        m = n < BATCH ? n : BATCH;
        network(p, different, distinct(row, m, different, place), to);
        for (size_t i = m; i-- > 0;) /* from the end, so that what is copied is still there */
            if (place[i] != i)
                memcpy(to + i * bytes, to + place[i] * bytes, bytes);
    }
}
