/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of 512 bits (AVX-512 F, BW, DQ, VL). Halves are converted sixteen at a time, the rest of
   a row under a mask. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define LEVEL kernels_avx512
#define LEVEL_NAME "avx512"
#define LANES 16
#define TILE_VECTORS 4

static inline void halves_to_floats(void *out, const uint16_t *in, size_t n)
{
    unsigned char *to = out;
    size_t j = 0;

    for (; n - j >= 16; j += 16)
        _mm512_storeu_ps(to + 4 * j, _mm512_cvtph_ps(_mm256_loadu_si256((const void *)(in + j))));
    if (j < n) {
        __mmask16 rest = (__mmask16)((1u << (n - j)) - 1);

        _mm512_mask_storeu_ps(to + 4 * j, rest,
                              _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(rest, in + j)));
    }
}

static inline void floats_to_halves(void *out, const void *in, size_t n)
{
    const unsigned char *from = in;
    unsigned char *to = out;
    size_t j = 0;

    for (; n - j >= 16; j += 16)
        _mm256_storeu_si256((void *)(to + 2 * j), _mm512_cvtps_ph(_mm512_loadu_ps(from + 4 * j),
                                                                  _MM_FROUND_TO_NEAREST_INT));
    if (j < n) {
        __mmask16 rest = (__mmask16)((1u << (n - j)) - 1);

        _mm256_mask_storeu_epi16(
            to + 2 * j, rest,
            _mm512_cvtps_ph(_mm512_maskz_loadu_ps(rest, from + 4 * j), _MM_FROUND_TO_NEAREST_INT));
    }
}

#include "kernels/kernels.inc"
