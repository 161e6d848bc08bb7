/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors of 512 bits (AVX-512 F, BW, DQ, VL, and FMA). Halves are converted sixteen at a time, the
   rest of a row under a mask. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/unroll.h"

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

/* What products of matrices are made of (tile.inc). */

static inline __m512 lanes_of(float x)
{
    return _mm512_set1_ps(x);
}

#define LANES_FUSED(a, b, sum) _mm512_fmadd_ps(a, b, sum)
#define DOUBLE_FUSED(a, b, sum) __builtin_fma(a, b, sum)

static inline __mmask16 lanes_mask(size_t n)
{
    return (__mmask16)((1u << n) - 1);
}

static inline __m512 lanes_load(const void *from, size_t n)
{
    return _mm512_maskz_loadu_ps(lanes_mask(n), from);
}

static inline void lanes_store(void *to, __m512 x, size_t n)
{
    _mm512_mask_storeu_ps(to, lanes_mask(n), x);
}

/* a < b ? a : b and a > b ? a : b; the smallest and the largest lane. */
INLINE __m512 lanes_smaller(__m512 a, __m512 b)
{
    return _mm512_min_ps(a, b);
}

INLINE __m512 lanes_larger(__m512 a, __m512 b)
{
    return _mm512_max_ps(a, b);
}

INLINE float lanes_least(__m512 x)
{
    return _mm512_reduce_min_ps(x);
}

INLINE float lanes_most(__m512 x)
{
    return _mm512_reduce_max_ps(x);
}

typedef uint32_t words __attribute__((vector_size(64)));

/* Half as many numbers of 64 bits, and the products of their lower halves. */
typedef uint64_t longs __attribute__((vector_size(64)));
INLINE longs longs_multiply(longs x, uint32_t by)
{
    return (longs)_mm512_mul_epu32((__m512i)x, _mm512_set1_epi64(by));
}

/* The low byte of each of the first `n` lanes. */
INLINE void lanes_low_bytes(void *to, __m512 x, size_t n)
{
    _mm_mask_storeu_epi8(to, lanes_mask(n), _mm512_cvtepi32_epi8(_mm512_castps_si512(x)));
}

/* Four numbers of each of four rows. */
INLINE __m512 lanes_pieces(const float *from, size_t lead)
{
    __m512 x = _mm512_castps128_ps512(_mm_loadu_ps(from));

    x = _mm512_insertf32x4(x, _mm_loadu_ps(from + lead), 1);
    x = _mm512_insertf32x4(x, _mm_loadu_ps(from + 2 * lead), 2);
    return _mm512_insertf32x4(x, _mm_loadu_ps(from + 3 * lead), 3);
}

/* Four by four within each quarter. */
INLINE void lanes_quads(__m512 x[4])
{
    __m512d a = _mm512_castps_pd(_mm512_unpacklo_ps(x[0], x[1]));
    __m512d b = _mm512_castps_pd(_mm512_unpacklo_ps(x[2], x[3]));
    __m512d c = _mm512_castps_pd(_mm512_unpackhi_ps(x[0], x[1]));
    __m512d d = _mm512_castps_pd(_mm512_unpackhi_ps(x[2], x[3]));

    x[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
    x[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
    x[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(c, d));
    x[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(c, d));
}

/* Sixteen codes at a time, in at most 32 bytes: each lane gets the two words in which its code
   begins, and shifts them. */
struct unpacker {
    __m512i word, shift, mask, place, next;
    unsigned bits;
};

static inline struct unpacker unpacker_of(unsigned bits, uint32_t step)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m512i at = _mm512_mullo_epi32(lane, _mm512_set1_epi32((int)bits));
    __m512i word = _mm512_srli_epi32(at, 4), behind = _mm512_slli_epi32(word, 16);

    return (struct unpacker){
        .word = _mm512_add_epi32(_mm512_or_epi32(word, behind), _mm512_set1_epi32(1 << 16)),
        .shift = _mm512_and_epi32(at, _mm512_set1_epi32(15)),
        .mask = _mm512_set1_epi32((int)((1u << bits) - 1)),
        .place = _mm512_mullo_epi32(lane, _mm512_set1_epi32((int)step)),
        .next = _mm512_set1_epi32((int)(16 * step)),
        .bits = bits,
    };
}

/* The next sixteen, of codes in `left` bytes. */
static inline __m512i codes_sixteen(const unsigned char *codes, size_t left,
                                    const struct unpacker *u)
{
    __mmask32 bytes = left < 32 ? (__mmask32)((1u << left) - 1) : (__mmask32)-1;
    __m512i v = _mm512_zextsi256_si512(_mm256_maskz_loadu_epi8(bytes, codes));

    v = _mm512_srlv_epi32(_mm512_permutexvar_epi16(u->word, v), u->shift);
    return _mm512_and_epi32(v, u->mask);
}

static inline void row_unpack(uint32_t *out, const unsigned char *codes, size_t n,
                              const struct unpacker *u)
{
    size_t left = (n * u->bits + 7) / 8;
    __m512i place = u->place;

    for (size_t j = 0; j < n; j += 16, codes += 2 * u->bits) {
        _mm512_storeu_si512(out + j, _mm512_add_epi32(codes_sixteen(codes, left, u), place));
        place = _mm512_add_epi32(place, u->next);
        left -= left < 2 * u->bits ? left : 2 * u->bits;
    }
}

/* The vectors of a row, of 1 or 2 columns: gathered, twice as fast as one by one. Wider ones are
   not. Numbers of vectors are below 2^31. */
#define GATHER_MOST 2
static inline __attribute__((always_inline)) void row_gather(unsigned char *to, const float *book,
                                                             size_t width,
                                                             const unsigned char *codes, size_t n,
                                                             const struct unpacker *u)
{
    size_t left = (n * u->bits + 7) / 8;
    __m512i place = u->place;

    for (size_t j = 0; j < n; j += 16, codes += 2 * u->bits, to += 64 * width) {
        __mmask16 some = n - j < 16 ? (__mmask16)((1u << (n - j)) - 1) : (__mmask16)-1;
        __m512i v = _mm512_add_epi32(codes_sixteen(codes, left, u), place);

        if (width == 1) {
            __m512 x = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), some, v, book, 4);

            _mm512_mask_storeu_ps(to, some, x);
        } else {
            __m256i low = _mm512_castsi512_si256(v), high = _mm512_extracti64x4_epi64(v, 1);
            __mmask8 more = (__mmask8)(some >> 8);

            _mm512_mask_storeu_pd(
                to, (__mmask8)some,
                _mm512_mask_i32gather_pd(_mm512_setzero_pd(), (__mmask8)some, low, book, 8));
            _mm512_mask_storeu_pd(
                to + 64, more, _mm512_mask_i32gather_pd(_mm512_setzero_pd(), more, high, book, 8));
        }
        place = _mm512_add_epi32(place, u->next);
        left -= left < 2 * u->bits ? left : 2 * u->bits;
    }
}

#include "kernels/kernels.inc"
