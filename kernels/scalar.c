/* SPDX-License-Identifier: Apache-2.0 */
/* The level that every processor runs, and the truth that the others are tested against. */
#include "kernels/half.h"
#include "kernels/unroll.h"

#include <stddef.h>

#define LEVEL kernels_scalar
#define LEVEL_NAME "scalar"
#define LANES 4
#define TILE_VECTORS 2

static inline void halves_to_floats(void *out, const uint16_t *in, size_t n)
{
    unsigned char *to = out;

    for (size_t j = 0; j < n; j++) {
        float x = float_from_half(in[j]);

        memcpy(to + 4 * j, &x, sizeof x);
    }
}

static inline void floats_to_halves(void *out, const void *in, size_t n)
{
    const unsigned char *from = in;
    unsigned char *to = out;

    for (size_t j = 0; j < n; j++) {
        uint32_t bits;
        uint16_t h;

        memcpy(&bits, from + 4 * j, sizeof bits);
        h = half_from_bits(bits);
        memcpy(to + 2 * j, &h, sizeof h);
    }
}

/* What products of matrices are made of (tile.inc); nothing is fused here. */

typedef float lanes __attribute__((vector_size(16)));
typedef int32_t masks __attribute__((vector_size(16)));

static inline lanes lanes_of(float x)
{
    return (lanes){x, x, x, x};
}

#define LANES_FUSED(a, b, sum) ((sum) + (a) * (b))
#define DOUBLE_FUSED(a, b, sum) ((a) * (b) + (sum))

static inline lanes lanes_load(const void *from, size_t n)
{
    float x[4] = {0};

    memcpy(x, from, n * sizeof *x);
    return (lanes){x[0], x[1], x[2], x[3]};
}

static inline void lanes_store(void *to, lanes x, size_t n)
{
    memcpy(to, &x, n * sizeof(float));
}

/* a < b ? a : b and a > b ? a : b; the smallest and the largest lane. */
INLINE lanes lanes_smaller(lanes a, lanes b)
{
    masks less = a < b;

    return (lanes)((less & (masks)a) | (~less & (masks)b));
}

INLINE lanes lanes_larger(lanes a, lanes b)
{
    masks more = a > b;

    return (lanes)((more & (masks)a) | (~more & (masks)b));
}

INLINE float lanes_least(lanes x)
{
    float least = x[0];

    UNROLL
    for (unsigned i = 1; i < 4; i++)
        least = x[i] < least ? x[i] : least;
    return least;
}

INLINE float lanes_most(lanes x)
{
    float most = x[0];

    UNROLL
    for (unsigned i = 1; i < 4; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

typedef uint32_t words __attribute__((vector_size(16)));

/* Half as many numbers of 64 bits, and the products of their lower halves. */
typedef uint64_t longs __attribute__((vector_size(16)));
INLINE longs longs_multiply(longs x, uint32_t by)
{
    return (x & UINT32_MAX) * by;
}

/* The low byte of each of the first `n` lanes. */
INLINE void lanes_low_bytes(unsigned char *to, lanes x, size_t n)
{
    masks bits = (masks)x;

    UNROLL
    for (size_t i = 0; i < 4; i++)
        if (i < n)
            to[i] = (unsigned char)bits[i];
}

INLINE lanes lanes_pieces(const float *from, size_t lead)
{
    (void)lead;
    return lanes_load(from, 4);
}

INLINE void lanes_quads(lanes x[4])
{
    UNROLL
    for (unsigned i = 0; i < 4; i++)
        UNROLL
    for (unsigned j = 0; j < i; j++) {
        float t = x[i][j];

        x[i][j] = x[j][i];
        x[j][i] = t;
    }
}

/* The bits from bit `at` on, in the low end of a word: at least 25 of them, or all up to the end.
   Nothing at or beyond `bytes` is read. */
static inline uint32_t bits_at(const unsigned char *from, size_t bytes, size_t at)
{
    size_t byte = at / 8;
    uint32_t word = 0;

    if (bytes - byte >= 4)
        memcpy(&word, from + byte, 4);
    else
        for (size_t i = 0; byte + i < bytes; i++)
            word |= (uint32_t)from[byte + i] << (8 * i);
    return word >> at % 8;
}

struct unpacker {
    unsigned bits;
    uint32_t step;
};

static inline struct unpacker unpacker_of(unsigned bits, uint32_t step)
{
    return (struct unpacker){bits, step};
}

static inline void row_unpack(uint32_t *out, const unsigned char *codes, size_t n,
                              const struct unpacker *u)
{
    uint32_t mask = ((uint32_t)1 << u->bits) - 1;
    size_t end = (n * u->bits + 7) / 8;

    for (size_t i = 0; i < n; i++) {
        uint32_t code = u->bits ? bits_at(codes, end, i * u->bits) & mask : 0;

        out[i] = (uint32_t)i * u->step + code;
    }
}

#include "kernels/kernels.inc"
