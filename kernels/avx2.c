/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of 256 bits (AVX2, F16C, FMA). Halves are converted by instructions, eight at a time: the
   integer code takes several times as long and compilers do not see through it. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels/unroll.h"

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

/* What products of matrices are made of (tile.inc). */

static inline __m256 lanes_of(float x)
{
    return _mm256_set1_ps(x);
}

#define LANES_FUSED(a, b, sum) _mm256_fmadd_ps(a, b, sum)
#define DOUBLE_FUSED(a, b, sum) __builtin_fma(a, b, sum)

static inline __m256i lanes_mask(size_t n)
{
    static const int32_t bits[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

    return _mm256_loadu_si256((const void *)(bits + 8 - n));
}

static inline __m256 lanes_load(const void *from, size_t n)
{
    if (__builtin_constant_p(n) && n == 8)
        return _mm256_loadu_ps(from);
    return _mm256_maskload_ps(from, lanes_mask(n));
}

static inline void lanes_store(void *to, __m256 x, size_t n)
{
    if (__builtin_constant_p(n) && n == 8)
        _mm256_storeu_ps(to, x);
    else
        _mm256_maskstore_ps(to, lanes_mask(n), x);
}

/* a < b ? a : b and a > b ? a : b; the smallest and the largest lane. */
INLINE __m256 lanes_smaller(__m256 a, __m256 b)
{
    return _mm256_min_ps(a, b);
}

INLINE __m256 lanes_larger(__m256 a, __m256 b)
{
    return _mm256_max_ps(a, b);
}

INLINE float lanes_least(__m256 x)
{
    __m128 v = _mm_min_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));

    v = _mm_min_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_min_ss(v, _mm_movehdup_ps(v)));
}

INLINE float lanes_most(__m256 x)
{
    __m128 v = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));

    v = _mm_max_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)));
}

typedef uint32_t words __attribute__((vector_size(32)));

/* Half as many numbers of 64 bits, and the products of their lower halves. */
typedef uint64_t longs __attribute__((vector_size(32)));
INLINE longs longs_multiply(longs x, uint32_t by)
{
    return (longs)_mm256_mul_epu32((__m256i)x, _mm256_set1_epi64x(by));
}

/* The low byte of each of the first `n` lanes. */
INLINE void lanes_low_bytes(void *to, __m256 x, size_t n)
{
    const __m256i low = _mm256_set1_epi32(0x0c080400);
    __m256i v = _mm256_shuffle_epi8(_mm256_castps_si256(x), low);
    int bytes[2] = {_mm256_extract_epi32(v, 0), _mm256_extract_epi32(v, 4)};

    if (n == 8)
        memcpy(to, bytes, 8);
    else
        memcpy(to, bytes, n);
}

/* Four numbers of each of two rows. */
INLINE __m256 lanes_pieces(const float *from, size_t lead)
{
    return _mm256_set_m128(_mm_loadu_ps(from + lead), _mm_loadu_ps(from));
}

/* Four by four within each half. */
INLINE void lanes_quads(__m256 x[4])
{
    __m256 a = _mm256_unpacklo_ps(x[0], x[1]), b = _mm256_unpacklo_ps(x[2], x[3]);
    __m256 c = _mm256_unpackhi_ps(x[0], x[1]), d = _mm256_unpackhi_ps(x[2], x[3]);

    x[0] = _mm256_shuffle_ps(a, b, 0x44);
    x[1] = _mm256_shuffle_ps(a, b, 0xee);
    x[2] = _mm256_shuffle_ps(c, d, 0x44);
    x[3] = _mm256_shuffle_ps(c, d, 0xee);
}

/* Eight codes at a time, in at most sixteen bytes: each lane gets the four bytes in which its code
   begins, and shifts them. */
struct unpacker {
    __m256i byte, shift, mask, place, next;
    unsigned bits;
};

static inline struct unpacker unpacker_of(unsigned bits, uint32_t step)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i at = _mm256_mullo_epi32(lane, _mm256_set1_epi32((int)bits));
    __m256i byte = _mm256_mullo_epi32(_mm256_srli_epi32(at, 3), _mm256_set1_epi32(0x01010101));

    return (struct unpacker){
        .byte = _mm256_add_epi32(byte, _mm256_set1_epi32(0x03020100)),
        .shift = _mm256_and_si256(at, _mm256_set1_epi32(7)),
        .mask = _mm256_set1_epi32((int)((1u << bits) - 1)),
        .place = _mm256_mullo_epi32(lane, _mm256_set1_epi32((int)step)),
        .next = _mm256_set1_epi32((int)(8 * step)),
        .bits = bits,
    };
}

static inline void row_unpack(uint32_t *out, const unsigned char *codes, size_t n,
                              const struct unpacker *u)
{
    size_t left = (n * u->bits + 7) / 8;
    __m256i place = u->place;

    for (size_t j = 0; j < n; j += 8, codes += u->bits) {
        unsigned char last[16] = {0};
        __m256i v;

        if (left < 16)
            memcpy(last, codes, left);
        v = _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)(left < 16 ? last : codes)));
        v = _mm256_srlv_epi32(_mm256_shuffle_epi8(v, u->byte), u->shift);
        v = _mm256_add_epi32(_mm256_and_si256(v, u->mask), place);
        _mm256_storeu_si256((void *)(out + j), v);
        place = _mm256_add_epi32(place, u->next);
        left -= left < u->bits ? left : u->bits;
    }
}

#include "kernels/kernels.inc"
