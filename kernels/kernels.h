/* SPDX-License-Identifier: Apache-2.0 */
/* The loops that touch many numbers, one body compiled for each instruction set and chosen once at
   start. Every level gives the same bits, but for products of matrices: products and sums are
   rounded one by one (no fused multiply-add), in the order of the scalar loop. (Of a NaN that
   arithmetic makes only that it is one is promised.) Thread-safe: no state.

   Arguments: `out`, `acc` and `in` of type void * are float32 arrays of any alignment; parameter
   arrays are aligned to their element. Rows are given by number, all below the number of rows of
   the array; the caller has checked. `dim` is the number of columns. Arrays do not overlap. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Bytes of a row in the INT8 wire format for `dim` columns: dim codes, then scale and bias. */
#define FUSED8_BYTES(dim) ((size_t)(dim) + 8)

/* Floats of a matrix [m][k] as f32_turn() lays it out. */
#define TURNED_FLOATS(m, k) (((size_t)(m) + 15) / 16 * 16 * (size_t)(k))

/* f32_signs() goes on by so many steps at a time. */
#define SIGNS_TURN 64

/* Vectors that f32_nearest() chooses from lie in tiles of so many. */
#define NEAREST_TILE 16

#define CODE_BITS_MOST 16

/* Codes of `bits` bits (0 to CODE_BITS_MOST), one after the other, the least significant bit first,
   at any address: n of them in (n * bits + 7) / 8 bytes. */
struct code_row {
    const unsigned char *at;
    unsigned bits;
};

struct kernels {
    const char *isa; /* "scalar", "avx2", "avx512" */

    /* out[i][j] = table[row[i]][j] as float32 */
    void (*f32_rows)(void *out, const float *table, size_t dim, const uint64_t *row, size_t n);
    void (*f16_rows)(void *out, const uint16_t *table, size_t dim, const uint64_t *row, size_t n);
    void (*bf16_rows)(void *out, const uint16_t *table, size_t dim, const uint64_t *row, size_t n);

    /* out[i][j] = a[a_row[i]][j] * b[b_row[i]][j], or their sum */
    void (*f32_rows_times)(void *out, const float *a, const uint64_t *a_row, const float *b,
                           const uint64_t *b_row, size_t dim, size_t n);
    void (*f32_rows_plus)(void *out, const float *a, const uint64_t *a_row, const float *b,
                          const uint64_t *b_row, size_t dim, size_t n);

    /* out[i][j] = (float)q[row[i]][j] * scale + bias */
    void (*u8_rows)(void *out, const uint8_t *q, size_t dim, const uint64_t *row, size_t n,
                    float scale, float bias);
    void (*i8_rows)(void *out, const int8_t *q, size_t dim, const uint64_t *row, size_t n,
                    float scale, float bias);
    void (*u16_rows)(void *out, const uint16_t *q, size_t dim, const uint64_t *row, size_t n,
                     float scale, float bias);
    void (*i16_rows)(void *out, const int16_t *q, size_t dim, const uint64_t *row, size_t n,
                     float scale, float bias);

    /* out[i][j] = (float)q[row[i]][j] * qparams[row[i]][0] + qparams[row[i]][1], qparams [N,2] */
    void (*u8_rows_each)(void *out, const uint8_t *q, size_t dim, const uint64_t *row, size_t n,
                         const float *qparams);
    void (*i8_rows_each)(void *out, const int8_t *q, size_t dim, const uint64_t *row, size_t n,
                         const float *qparams);
    void (*u16_rows_each)(void *out, const uint16_t *q, size_t dim, const uint64_t *row, size_t n,
                          const float *qparams);
    void (*i16_rows_each)(void *out, const int16_t *q, size_t dim, const uint64_t *row, size_t n,
                          const float *qparams);

    /* out[i][j] = (float)q[row[i]][j] * scale[row[i]] + bias, scale [N] */
    void (*i8_rows_scaled)(void *out, const int8_t *q, size_t dim, const uint64_t *row, size_t n,
                           const float *scale, float bias);
    void (*i16_rows_scaled)(void *out, const int16_t *q, size_t dim, const uint64_t *row, size_t n,
                            const float *scale, float bias);

    void (*f32_add)(void *acc, const void *in, size_t n);                 /* acc += in */
    void (*f32_add_scaled)(void *acc, const void *in, float w, size_t n); /* acc += w * in */
    void (*f32_mul)(void *acc, const void *in, size_t n);                 /* acc *= in */
    void (*f32_div)(void *acc, float divisor, size_t n);                  /* acc /= divisor */
    /* acc[j] is negated where (term + j * step) mod modulus is even; term and step are below the
       modulus, which is at most 2^31, and multiple[j] is j * step mod modulus */
    void (*f32_signs)(void *acc, size_t n, uint32_t term, const uint32_t multiple[SIGNS_TURN + 1],
                      uint32_t modulus);

    /* Products of matrices. Each element is one sum, from 0 or from what is there, in the order
       given, so it does not depend on its neighbours; levels that fuse a product with the sum it
       goes into differ from the scalar one. */

    /* out [m][n] = a [m][k] * b [k][n], in the order of k. Rows of b begin `stride` floats after
       one another. */
    void (*f32_product)(void *out, const float *a, const float *b, size_t stride, size_t m,
                        size_t k, size_t n);
    /* `count` products of one shape: out[i] = a[i] * b[i]. */
    void (*f32_products)(void *const *out, const float *const *a, const float *const *b,
                         size_t count, size_t stride, size_t m, size_t k, size_t n);
    /* The same for many rows and few columns, where a[i] was laid out by f32_turn(), which writes
       TURNED_FLOATS(m, k) floats in an order that the level chooses. The same bits. */
    void (*f32_turn)(float *out, const float *a, size_t m, size_t k);
    void (*f32_turned_products)(void *const *out, const float *const *a, const float *const *b,
                                size_t count, size_t stride, size_t m, size_t k, size_t n);
    /* out[i] = table[row[i]] times matrix [width][dim], in the order of the width >= 1. */
    void (*f32_rows_product)(void *out, const float *table, size_t width, const uint64_t *row,
                             size_t n, const float *matrix, size_t dim);
    /* acc[i][l] += a[i][j] * b[l][j] for j = 0, then j = 1 and so on to dim; n rows, depth columns.
       Rows of b begin `stride` floats after one another. */
    void (*f32_dots_add)(float *acc, const float *a, const float *b, size_t stride, size_t n,
                         size_t depth, size_t dim);
    /* acc[l][j] += a[i][l] * b[i][j] for i = 0, then i = 1 and so on to n; depth rows, dim columns.
       Rows of acc begin `stride` floats after one another. */
    void (*f32_outer_add)(float *acc, size_t stride, const float *a, const float *b, size_t n,
                          size_t depth, size_t dim);

    /* The sum of the squares, as sixteen sums of every sixteenth place, which are then halved in
       number by adding the upper half to the lower one. */
    float (*f32_energy)(const void *in, size_t n);
    /* Whether none of the elements is infinite or NaN. */
    int (*f32_finite)(const void *in, size_t n);

    /* To IEEE half, nearest even, overflow to infinity; to bfloat16, nearest even; NaN stays NaN.
     */
    void (*f32_to_f16)(void *out, const void *in, size_t n);
    void (*f32_to_bf16)(void *out, const void *in, size_t n);
    /* One row (dim >= 1) in the INT8 wire format, FUSED8_BYTES(dim) bytes: codes, then scale =
       (max - min) / 255 and bias = min as little-endian float32. All in float32, code =
       lrintf((x - min) * 255 / (max - min + 1e-8f)), clamped to 0..255. A range above FLT_MAX
       counts as FLT_MAX, a minimum of -0 is written as 0, NaN counts as the minimum. */
    void (*f32_to_fused8)(void *out, const void *in, size_t dim);

    /* Random rounding, for steps of training in few bits: methods.md 21. */

    /* The draws of `n` elements from `first` on: (w >> 8) * 2^-24, w being the first word that
       Philox 4x32-10 makes of the counter (element, version) under the key. */
    void (*draws)(float *out, size_t n, uint64_t first, uint64_t key, uint64_t version);
    /* To halves and bfloat16: the magnitude is rounded up with the probability of what is cut off,
       u[j] in [0, 1) being the draw; beyond the largest finite number it is that. An element that
       is as before stays as it is in `old`. All finite. Returns how many were beyond. */
    size_t (*f32_round_f16)(uint16_t *out, const uint16_t *old, const float *before,
                            const float *after, const float *u, size_t n);
    size_t (*f32_round_bf16)(uint16_t *out, const uint16_t *old, const float *before,
                             const float *after, const float *u, size_t n);
    /* To integers: q = floor(t + u) + low, t = (x - bias) / scale - low being clipped to 0 .. top,
       in double. scale > 0. */
    void (*f32_round_steps)(int32_t *q, const float *x, const float *u, size_t n, double scale,
                            double bias, int32_t low, int32_t top);
    /* The sum of gradient * phi: with v = x / scale, phi is `low` or `high` where v is not between
       them, and what rounding to the nearest adds to v where it is. Element j belongs to sum j % 8,
       and these are added in order. */
    double (*f32_scale_gradient)(const float *x, const float *gradient, size_t n, double scale,
                                 double low, double high);

    /* A step of adagrad: g = gradient + l2 * w; sum += g^2;
       w = w - shrink * w - rate * g / (sqrt(sum) + epsilon). An element whose new value or sum
       would not be finite keeps both, and one that does not change keeps its bits. Returns how many
       were not finite. */
    size_t (*f32_adagrad)(float *w, float *sum, const float *gradient, size_t n, float rate,
                          float epsilon, float l2, float shrink);
    /* The mean of g^2, g as above: element j belongs to sum j % 8, and these are added in order. */
    float (*f32_mean_square)(const float *w, const float *gradient, size_t n, float l2);
    /* A step with one root for all elements: w = w - shrink * w - rate * g / root, as above. */
    size_t (*f32_rowwise_adagrad)(float *w, const float *gradient, size_t n, float rate, float root,
                                  float l2, float shrink);

    /* out[t] = (float)(h * unit) * scale + shift, h = ((a[t] x + b[t]) mod p[t]) mod m. All but the
       last three are integers: x < 2^40, 0 <= a, b < p, 1 <= m <= p < 2^26; over_p[t] = 1 / p[t].
     */
    void (*hash_small)(float *out, double x, const double *a, const double *b, const double *p,
                       const double *over_p, double m, double unit, float scale, float shift,
                       size_t n);
    void (*f32_affine)(void *acc, const float *scale, const float *shift,
                       size_t n);                                /* acc = acc * scale + shift */
    void (*f32_mish)(void *acc, size_t n);                       /* y tanh(ln(1 + e^y)) for y */
    void (*f32_mish_back)(void *acc, const float *in, size_t n); /* acc *= mish'(in) */
    /* out[i][t] = t * step + the t-th of `parts` codes of row i, of n rows. */
    void (*codes_unpack)(uint32_t *out, const struct code_row *row, size_t n, size_t parts,
                         uint32_t step);
    /* out[i] = the vectors book[t * step + the t-th of `parts` codes of row i], of `width` columns
       each, one after the other. */
    void (*codes_rows)(void *out, const float *book, size_t width, const struct code_row *row,
                       size_t n, size_t parts, uint32_t step);
    /* index[i] = the k with the smallest distance[i] = sum over j of (x[i][j] - c[k][j])^2, added
       up in the order of j; of equal ones the lowest k, and 0 where none is below infinity. The
       c lie in tiles: c[k][j] is tiles[k / NEAREST_TILE][j][k % NEAREST_TILE], and what the last
       tile has too many is infinite. At least one tile. */
    void (*f32_nearest)(uint32_t *index, float *distance, const float *x, size_t n,
                        const float *tiles, size_t width, size_t tile_count);
};

/* The chosen level. Set by kernels_init(), before the first use, and never changed afterwards. */
extern const struct kernels *kernels;

/* Choose the best level that the processor has, or the one named by `isa` (NULL: the environment
   variable EMBD_ISA, or the best). An unknown name or a level that this processor lacks is
   ST_INVALID, and `kernels` stays as it was. Once, before other threads start. */
MUST_CHECK enum status kernels_init(const char *isa, struct error *e);

/* All levels that were compiled in, the scalar one first, NULL at the end; and whether this
   processor can run one. */
extern const struct kernels *const kernels_levels[];
int kernels_supported(const struct kernels *k);

/* Single numbers, the reference that the loops agree with. */
uint16_t f16_from_f32(float x);
float f32_from_f16(uint16_t h);
uint16_t bf16_from_f32(float x);
float f32_from_bf16(uint16_t h);
