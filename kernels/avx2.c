/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of 256 bits (AVX2), with F16C. Halves are converted by its instructions, eight at a time:
   the integer code takes several times as long and compilers do not see through it. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LEVEL kernels_avx2
#define LEVEL_NAME "avx2"
#define LANES 8
#define TILE_VECTORS 2

static inline void halves_to_floats(void *out, const uint16_t *in, size_t n)
{
    unsigned char *to = out;
    size_t j = 0;

    for (; n - j >= 8; j += 8)
        _mm256_storeu_ps((void *)(to + 4 * j),
                         _mm256_cvtph_ps(_mm_loadu_si128((const void *)(in + j))));
    for (; j < n; j++) {
        float x = _cvtsh_ss(in[j]);

        memcpy(to + 4 * j, &x, sizeof x);
    }
}

static inline void floats_to_halves(void *out, const void *in, size_t n)
{
    const unsigned char *from = in;
    unsigned char *to = out;
    size_t j = 0;

    for (; n - j >= 8; j += 8)
        _mm_storeu_si128((void *)(to + 2 * j),
                         _mm256_cvtps_ph(_mm256_loadu_ps((const void *)(from + 4 * j)),
                                         _MM_FROUND_TO_NEAREST_INT));
    for (; j < n; j++) {
        uint16_t h;
        float x;

        memcpy(&x, from + 4 * j, sizeof x);
        h = _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT);
        memcpy(to + 2 * j, &h, sizeof h);
    }
}

#include "kernels/kernels.inc"
