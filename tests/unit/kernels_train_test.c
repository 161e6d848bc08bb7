/* SPDX-License-Identifier: Apache-2.0 */
/* Random rounding at every level, the scalar one too, against formulas in double; and the step of
   adagrad. */
#include "kernels/kernels.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

#include "base/philox.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define MOST 67 /* elements of a row */

struct row {
    size_t n;
    float before[MOST], after[MOST], u[MOST];
    uint16_t old[MOST];
};

/* Finite values of all sizes, of which some stay as they are. */
static void row_make(struct row *row, struct random *r)
{
    row->n = random_below(r, MOST + 1);
    for (size_t j = 0; j < row->n; j++) {
        float x = random_below(r, 4) ? ldexpf(random_normal(r), (int)random_below(r, 44) - 30)
                                     : random_any_float(r);

        row->after[j] = isfinite(x) ? x : FLT_MAX;
        row->before[j] = random_below(r, 5) ? row->after[j] + 1 : row->after[j];
        row->u[j] = (float)random_below(r, 1 << 24) * 0x1p-24f;
        row->old[j] = (uint16_t)random_u64(r);
    }
}

static void test_draws(void **state)
{
    struct random r = {1};
    float u[300];

    (void)state;
    for (const struct kernels *const *k = kernels_levels; *k && kernels_supported(*k); k++)
        for (int turn = 0; turn < 300; turn++) {
            uint64_t key = random_u64(&r), version = random_u64(&r);
            uint64_t first = turn % 3 ? random_u64(&r) : ((turn + UINT64_C(1)) << 32) - 100;
            size_t n = random_below(&r, 300);

            (*k)->draws(u, n, first, key, version);
            for (size_t j = 0; j < n; j++) {
                uint32_t c[4] = {(uint32_t)(first + j), (uint32_t)((first + j) >> 32),
                                 (uint32_t)version, (uint32_t)(version >> 32)};

                philox(c, (uint32_t)key, (uint32_t)(key >> 32));
                assert_true((double)u[j] == (double)(c[0] >> 8) * 0x1p-24);
            }
        }
}

/* The magnitude as a number of units, the fraction of which decides; `kept` is how finely the draw
   is looked at. */
static double units_up(double a, double unit, double u, double kept)
{
    double whole = floor(a / unit), share = a / unit - whole;

    return whole + (share >= 1 - (kept > 0 ? floor(u * kept) / kept : u));
}

static uint16_t plain_f16(double x, double u)
{
    double a = fabs(x) < 65504 ? fabs(x) : 65504;
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    int exponent;

    if (a < 0x1p-14)
        return sign | (uint16_t)units_up(a, 0x1p-24, u, 0);
    frexp(a, &exponent);
    return sign |
           (uint16_t)(((exponent + 13) << 10) + units_up(a, ldexp(1, exponent - 11), u, 8192));
}

static uint16_t plain_bf16(double x, double u)
{
    double most = (double)f32_from_bf16(0x7f7f), a = fabs(x) < most ? fabs(x) : most;
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    int exponent;

    if (a < 0x1p-126)
        return sign | (uint16_t)units_up(a, 0x1p-133, u, 65536);
    frexp(a, &exponent);
    return sign |
           (uint16_t)(((exponent + 125) << 7) + units_up(a, ldexp(1, exponent - 8), u, 65536));
}

static void test_halves(void **state)
{
    struct random r = {2};
    uint16_t out[MOST];
    struct row row;

    (void)state;
    for (const struct kernels *const *k = kernels_levels; *k && kernels_supported(*k); k++)
        for (int turn = 0; turn < 4000; turn++) {
            bool brain = turn % 2;
            double most = brain ? (double)f32_from_bf16(0x7f7f) : 65504;
            size_t beyond = 0, got;

            row_make(&row, &r);
            got = (brain ? (*k)->f32_round_bf16 : (*k)->f32_round_f16)(out, row.old, row.before,
                                                                       row.after, row.u, row.n);
            for (size_t j = 0; j < row.n; j++) {
                double x = (double)row.after[j], u = (double)row.u[j];

                if (row.after[j] == row.before[j]) {
                    assert_int_equal(out[j], row.old[j]);
                    continue;
                }
                beyond += fabs(x) > most;
                assert_int_equal(out[j], brain ? plain_bf16(x, u) : plain_f16(x, u));
            }
            assert_int_equal(got, beyond);
        }
}

static void test_steps(void **state)
{
    struct random r = {3};
    int32_t q[MOST];
    struct row row;

    (void)state;
    for (const struct kernels *const *k = kernels_levels; *k && kernels_supported(*k); k++)
        for (int turn = 0; turn < 4000; turn++) {
            double scale = ldexp(1 + random_unit(&r), (int)random_below(&r, 30) - 20);
            double bias = (double)random_normal(&r);
            int32_t top = turn % 3 ? 255 : 65535, low = turn % 2 ? 0 : -(top + 1) / 2;

            row_make(&row, &r);
            (*k)->f32_round_steps(q, row.after, row.u, row.n, scale, bias, low, top);
            for (size_t j = 0; j < row.n; j++) {
                double t = ((double)row.after[j] - bias) / scale - low;

                t = fmin(fmax(t, 0), top);
                assert_int_equal(q[j], (int32_t)floor(t + (double)row.u[j]) + low);
            }
        }
}

static void test_scale_gradient(void **state)
{
    float x[MOST], gradient[MOST];
    struct random r = {6};

    (void)state;
    for (const struct kernels *const *k = kernels_levels; *k && kernels_supported(*k); k++)
        for (int turn = 0; turn < 4000; turn++) {
            double scale = ldexp(1 + random_unit(&r), -(int)random_below(&r, 9));
            double high = turn % 2 ? 127 : 32767, low = -high - 1, lane[8] = {0}, expected = 0, got;
            size_t n = random_below(&r, MOST + 1);

            for (size_t j = 0; j < n; j++) {
                double v, phi;

                x[j] = random_normal(&r) * (random_below(&r, 8) ? 1 : 1e5f);
                gradient[j] = random_normal(&r);
                v = (double)x[j] / scale;
                phi = v >= high ? high : v <= low ? low : floor(v + 0.5) - v;
                lane[j % 8] += (double)gradient[j] * phi;
            }
            for (size_t j = 0; j < 8; j++)
                expected += lane[j];
            got = (*k)->f32_scale_gradient(x, gradient, n, scale, low, high);
            assert_memory_equal(&got, &expected, sizeof got);
        }
}

/* The formula bit for bit; what would not be finite stays as it is, and is counted. */
static void test_adagrad(void **state)
{
    float w[MOST], sum[MOST], was_w[MOST], was_sum[MOST], gradient[MOST];
    struct random r = {4};

    (void)state;
    for (const struct kernels *const *k = kernels_levels; *k && kernels_supported(*k); k++)
        for (int turn = 0; turn < 4000; turn++) {
            float rate = fabsf(random_normal(&r)), epsilon = turn % 7 ? 1e-8f : 0;
            float l2 = turn % 3 ? 0 : 0.25f, shrink = turn % 2 ? 0 : 0.125f;
            size_t n = random_below(&r, MOST + 1), stayed = 0, got;

            for (size_t j = 0; j < n; j++) {
                was_w[j] = w[j] = random_normal(&r);
                was_sum[j] = sum[j] = random_below(&r, 9) ? fabsf(random_normal(&r)) : 0;
                gradient[j] = random_below(&r, 5) ? random_normal(&r) : random_any_float(&r);
            }
            got = (*k)->f32_adagrad(w, sum, gradient, n, rate, epsilon, l2, shrink);
            for (size_t j = 0; j < n; j++) {
                float g = gradient[j] + l2 * was_w[j], total = was_sum[j] + g * g;
                float next = was_w[j] - shrink * was_w[j] - rate * g / (sqrtf(total) + epsilon);
                bool finite = isfinite(next) && isfinite(total);

                stayed += !finite;
                assert_memory_equal(&sum[j], finite ? &total : &was_sum[j], 4);
                assert_memory_equal(&w[j], finite && next != was_w[j] ? &next : &was_w[j], 4);
            }
            assert_int_equal(got, stayed);
        }
}

static void test_rowwise_adagrad(void **state)
{
    float w[MOST], was[MOST], gradient[MOST];
    struct random r = {5};

    (void)state;
    for (const struct kernels *const *k = kernels_levels; *k && kernels_supported(*k); k++)
        for (int turn = 0; turn < 4000; turn++) {
            float rate = fabsf(random_normal(&r)), root = turn % 7 ? 1e-4f : 0;
            float l2 = turn % 3 ? 0 : 0.25f, shrink = turn % 2 ? 0 : 0.125f;
            float lane[8] = {0}, total = 0, mean;
            size_t n = 1 + random_below(&r, MOST), stayed = 0, got;

            for (size_t j = 0; j < n; j++) {
                float g;

                was[j] = w[j] = random_normal(&r);
                gradient[j] = random_below(&r, 5) ? random_normal(&r) : random_any_float(&r);
                g = gradient[j] + l2 * w[j];
                lane[j % 8] += g * g;
            }
            for (size_t j = 0; j < 8; j++)
                total += lane[j];
            total /= (float)n;
            mean = (*k)->f32_mean_square(w, gradient, n, l2);
            assert_true(memcmp(&mean, &total, sizeof mean) == 0 || (isnan(mean) && isnan(total)));
            got = (*k)->f32_rowwise_adagrad(w, gradient, n, rate, root, l2, shrink);
            for (size_t j = 0; j < n; j++) {
                float g = gradient[j] + l2 * was[j];
                float next = was[j] - shrink * was[j] - rate * g / root;

                stayed += !isfinite(next);
                assert_memory_equal(&w[j], isfinite(next) && next != was[j] ? &next : &was[j], 4);
            }
            assert_int_equal(got, stayed);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_draws),   cmocka_unit_test(test_halves),
        cmocka_unit_test(test_steps),   cmocka_unit_test(test_scale_gradient),
        cmocka_unit_test(test_adagrad), cmocka_unit_test(test_rowwise_adagrad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
