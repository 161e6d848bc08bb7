/* SPDX-License-Identifier: Apache-2.0 */
/* The level that every processor runs, and the truth that the others are tested against. */
#include "kernels/half.h"

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

#include "kernels/kernels.inc"
