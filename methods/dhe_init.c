/* SPDX-License-Identifier: Apache-2.0 */
/* A start for dhe: hash constants, and a network whose hidden columns have mean 0 and deviation 1
   over a sample of the ids, and whose rows have the deviation that is asked for. */
#include "methods/dhe.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/kernels.h"
#include "methods/init.h"

#define SAMPLE 2048              /* ids, at most, and at least: */
#define SAMPLE_LEAST 64          /* statistics of fewer are worth little */
#define SAMPLE_WORK (1ULL << 33) /* multiply-adds that the sample may cost: a second or so */
#define ROWS 16                  /* that share a row of weights while it is near */

static uint64_t power(uint64_t base, uint64_t exponent, uint64_t modulus)
{
    unsigned __int128 result = 1, square = base % modulus;

    for (; exponent; exponent >>= 1) {
        if (exponent & 1)
            result = result * square % modulus;
        square = square * square % modulus;
    }
    return (uint64_t)result;
}

/* Miller and Rabin's test; these bases tell every number below 2^64. */
static bool is_prime(uint64_t n)
{
    static const uint64_t bases[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37};
    unsigned twos;

    if (n < 2)
        return false;
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++)
        if (n % bases[i] == 0)
            return n == bases[i];
    twos = (unsigned)__builtin_ctzll(n - 1);
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
        uint64_t x = power(bases[i], (n - 1) >> twos, n);
        bool passed = x == 1 || x == n - 1;

        for (unsigned t = 1; !passed && t < twos; t++) {
            x = (uint64_t)((unsigned __int128)x * x % n);
            passed = x == n - 1;
        }
        if (!passed)
            return false;
    }
    return true;
}

/* The first prime from `from` to `most`; 0 if there is none. */
static uint64_t prime_from(uint64_t from, uint64_t most)
{
    for (uint64_t n = from; n <= most; n++)
        if (is_prime(n))
            return n;
    return 0;
}

enum status dhe_draw(const struct init *init, struct parameters *p, struct error *e)
{
    struct draws a = draws_of(init, p->tensor[DHE_A].name),
                 b = draws_of(init, p->tensor[DHE_B].name),
                 prime = draws_of(init, p->tensor[DHE_P].name);
    uint64_t m = (uint64_t)p->value[DHE_M].i, next;
    uint64_t most = p->value[DHE_ARITH].i == DHE_U64 ? INT64_MAX : INT32_MAX;
    uint64_t room = most - m < m ? most - m : m; /* primes begin in (m, 2 m] */

    next = m < most ? prime_from(m + 1, most) : 0;
    if (!next)
        return error_set(e, ST_INVALID, "no prime lies between m = %" PRIu64 " and %" PRIu64, m,
                         most);
    for (size_t t = 0; t < (size_t)p->value[DHE_K].i; t++) {
        uint64_t found = prime_from(m + 1 + draw_bits(&prime, t) % room, most);

        ((int64_t *)p->tensor[DHE_A].data)[t] = (int64_t)(1 + draw_bits(&a, t) % (m - 1));
        ((int64_t *)p->tensor[DHE_B].data)[t] = (int64_t)(1 + draw_bits(&b, t) % (m - 1));
        ((int64_t *)p->tensor[DHE_P].data)[t] = (int64_t)(found ? found : next);
    }
    return ST_OK;
}

/* Ids from all over the table, all of a small one. */
static uint64_t sample_id(const struct parameters *p, size_t i, size_t n)
{
    return (uint64_t)((unsigned __int128)p->rows * i / n);
}

static size_t sample_size(const struct parameters *p)
{
    uint64_t n = SAMPLE_WORK / parameters_work(p);

    n = n < SAMPLE_LEAST ? SAMPLE_LEAST : n < SAMPLE ? n : SAMPLE;
    return p->rows < n ? (size_t)p->rows : (size_t)n;
}

/* The statistics of a layer from its products x [n][width]. A column that has none is left at mean
   0 and variance 1. */
static void take_statistics(const struct parameters *p, unsigned layer, const float *x, size_t n)
{
    float *mean = dhe_floats(p, dhe_bn(layer, DHE_MEAN));
    float *var = dhe_floats(p, dhe_bn(layer, DHE_VAR));
    size_t width = dhe_width(p);

    for (size_t j = 0; j < width; j++) {
        double sum = 0, squares = 0;

        for (size_t i = 0; i < n; i++) {
            sum += (double)x[i * width + j];
            squares += (double)x[i * width + j] * (double)x[i * width + j];
        }
        if (n < 2 || squares * (double)n <= sum * sum)
            continue;
        mean[j] = (float)(sum / (double)n);
        var[j] = (float)(squares / (double)n - sum / (double)n * (sum / (double)n));
    }
}

/* out [n][width] = in [n][k] times a layer's weights. Not by f32_product(): from one seed every
   instruction set begins with the same bits. */
static void multiply(const struct parameters *p, unsigned layer, const float *in, size_t n,
                     float *out)
{
    const float *weight = dhe_floats(p, dhe_weight(layer));
    size_t k = dhe_in(p, layer), width = dhe_width(p), m;

    memset(out, 0, n * width * sizeof *out);
    for (size_t i = 0; i < n; i += m) {
        m = n - i < ROWS ? n - i : ROWS;
        for (size_t l = 0; l < k; l++)
            for (size_t r = i; r < i + m; r++)
                kernels->f32_add_scaled(out + r * width, weight + l * width, in[r * k + l], width);
    }
}

/* A sample through the hidden layers, which get their statistics on the way; the results' mean
   square comes out. */
static double settle(const struct parameters *p, const double *small, size_t n, float *even,
                     float *odd, float *scale)
{
    size_t width = dhe_width(p);
    double squares = 0;

    for (size_t i = 0; i < n; i++)
        dhe_inputs(p, small, sample_id(p, i, n), even + i * dhe_in(p, 0));
    for (unsigned l = 0; l < DHE_HIDDEN; l++) {
        float *from = l % 2 ? odd : even, *to = l % 2 ? even : odd;

        multiply(p, l, from, n, to);
        take_statistics(p, l, to, n);
        dhe_fold(p, l, scale, scale + width);
        for (size_t i = 0; i < n; i++)
            kernels->f32_affine(to + i * width, scale, scale + width, width);
        kernels->f32_mish(to, n * width);
    }
    for (size_t i = 0; i < n * width; i++)
        squares += (double)odd[i] * (double)odd[i];
    return n ? squares / (double)(n * width) : 0;
}

enum status dhe_init(const struct init *init, struct parameters *p, struct error *e)
{
    size_t n = sample_size(p), k = dhe_in(p, 0), width = dhe_width(p);
    float *even = NULL, *odd = NULL, *scale = NULL;
    double *small = NULL, square;
    enum status st;

    if ((st = dhe_draw(init, p, e)) != ST_OK || (st = dhe_small(p, &small, e)) != ST_OK)
        return st;
    even = mem_zero(n, (k > width ? k : width) * sizeof *even);
    odd = mem_zero(n, width * sizeof *odd);
    scale = mem_zero(2 * width, sizeof *scale);
    if (!even || !odd || !scale) {
        st = error_memory(e, "a sample of rows");
        goto out;
    }
    for (unsigned l = 0; l < DHE_HIDDEN; l++) {
        init_normal(init, &p->tensor[dhe_weight(l)], 1 / sqrt((double)dhe_in(p, l)));
        for (size_t j = 0; j < width; j++)
            dhe_floats(p, dhe_bn(l, DHE_GAMMA))[j] = dhe_floats(p, dhe_bn(l, DHE_VAR))[j] = 1;
    }
    square = settle(p, small, n, even, odd, scale);
    init_normal(init, &p->tensor[dhe_weight(DHE_LAYERS - 1)],
                init_deviation(init) / sqrt((double)width * (square > 0 ? square : 1)));
out:
    mem_free(scale);
    mem_free(odd);
    mem_free(even);
    mem_free(small);
    return st;
}
