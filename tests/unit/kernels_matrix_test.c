/* SPDX-License-Identifier: Apache-2.0 */
/* The loops of hashed networks beside their products: every level has the bits of the scalar one;
   hashes are exact, mish and its slope are near the exact ones. */
#include "kernels/kernels.h"

#include <math.h>

#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define DIM_MAX 75

static void test_affine(void **state)
{
    float x[DIM_MAX], scale[DIM_MAX], shift[DIM_MAX], got[DIM_MAX + 1];
    struct random r = {62};

    (void)state;
    for (const struct kernels *const *k = kernels_levels; *k; k++)
        for (size_t n = 0; n <= DIM_MAX && kernels_supported(*k); n++) {
            for (size_t j = 0; j < n; j++) {
                x[j] = random_normal(&r);
                scale[j] = random_normal(&r);
                shift[j] = random_normal(&r);
            }
            memcpy(got, x, sizeof x);
            got[n] = 777;
            (*k)->f32_affine(got, scale, shift, n);
            assert_true(got[n] == 777);
            for (size_t j = 0; j < n; j++) {
                float product = x[j] * scale[j];

                assert_true(got[j] == product + shift[j]);
            }
        }
}

#define POINTS 65536

/* The scalar level against libm, the others against the scalar one. */
static void test_mish(void **state)
{
    float *y = malloc(POINTS * sizeof *y), *x = malloc(POINTS * sizeof *x);
    float *want = malloc(POINTS * sizeof *want), *slope = malloc(POINTS * sizeof *slope);

    (void)state;
    for (size_t i = 0; i < POINTS; i++)
        y[i] = ((float)i - POINTS / 2) / (i % 3 ? 2000.0f : 300.0f);
    y[0] = 0;
    y[1] = 1e30f;
    y[2] = -1e30f;
    y[3] = -0x1p-140f;
    y[4] = 20;
    y[5] = -87;
    for (const struct kernels *const *k = kernels_levels; *k; k++) {
        if (!kernels_supported(*k))
            continue;
        memcpy(x, y, POINTS * sizeof *x);
        (*k)->f32_mish(x, POINTS);
        if (k == kernels_levels) {
            memcpy(want, x, POINTS * sizeof *x);
            for (size_t i = 0; i < POINTS; i++) {
                double a = (double)y[i], exact = a > 20 ? a : a * tanh(log1p(exp(a)));

                if (!(fabs((double)x[i] - exact) <= 4e-7 * fabs(exact) + 2e-36))
                    fail_msg("mish(%g) is %g, not %g", a, (double)x[i], exact);
            }
        }
        assert_memory_equal(x, want, POINTS * sizeof *x);
        for (size_t i = 0; i < POINTS; i++)
            x[i] = 3;
        (*k)->f32_mish_back(x, y, POINTS);
        if (k == kernels_levels) {
            memcpy(slope, x, POINTS * sizeof *x);
            for (size_t i = 0; i < POINTS; i++) {
                double a = (double)y[i], t = tanh(a > 20 ? a : log1p(exp(a)));
                double exact = t + (fabs(a) > 700 ? 0 : a / (1 + exp(-a))) * (1 - t * t);

                if (!(fabs((double)x[i] - 3 * exact) <= 2e-6))
                    fail_msg("the slope at %g is %g, not %g", a, (double)x[i] / 3, exact);
            }
        }
        assert_memory_equal(x, slope, POINTS * sizeof *x);
    }
    x[0] = NAN;
    for (const struct kernels *const *k = kernels_levels; *k; k++)
        if (kernels_supported(*k)) {
            (*k)->f32_mish(x, 1);
            assert_true(isnan(x[0]));
        }
    free(slope);
    free(want);
    free(x);
    free(y);
}

/* Against integers, at the ends of what is promised. */
static void test_hash_small(void **state)
{
    enum { COUNT = 37 };
    double a[COUNT], b[COUNT], p[COUNT], over[COUNT];
    struct random r = {63};
    float out[COUNT + 1];

    (void)state;
    for (const struct kernels *const *k = kernels_levels; *k; k++)
        for (size_t turn = 0; turn < 3000 && kernels_supported(*k); turn++) {
            uint64_t x = random_below(&r, (uint64_t)1 << (1 + turn % 40)), m;

            m = 1 + random_below(&r, (uint64_t)1 << (turn % 26));
            if (turn % 10 == 0)
                x = ((uint64_t)1 << 40) - 1 - turn;
            for (size_t t = 0; t < COUNT; t++) {
                uint64_t prime = m + random_below(&r, ((uint64_t)1 << 26) - m);

                p[t] = (double)prime;
                a[t] = (double)(t % 3 ? random_below(&r, prime) : prime - 1);
                b[t] = (double)(t % 5 ? random_below(&r, prime) : prime - 1);
                over[t] = 1 / p[t];
            }
            out[COUNT] = 777;
            (*k)->hash_small(out, (double)x, a, b, p, over, (double)m, 1, 1, 0, COUNT);
            assert_true(out[COUNT] == 777);
            for (size_t t = 0; t < COUNT; t++) {
                unsigned __int128 wide = (unsigned __int128)(uint64_t)a[t] * x + (uint64_t)b[t];

                if (out[t] != (float)(uint64_t)(wide % (uint64_t)p[t] % m))
                    fail_msg("%s: x %llu, a %.0f, b %.0f, p %.0f, m %llu: %.0f", (*k)->isa,
                             (unsigned long long)x, a[t], b[t], p[t], (unsigned long long)m,
                             (double)out[t]);
            }
        }
}

/* Scaled as asked, the same everywhere. */
static void test_hash_scaled(void **state)
{
    enum { COUNT = 37, MODULUS = 1000 };
    double a[COUNT], b[COUNT], p[COUNT], over[COUNT];
    float plain[COUNT], out[COUNT];

    (void)state;
    for (size_t t = 0; t < COUNT; t++) {
        a[t] = 17 + (double)t;
        b[t] = 400 + (double)t;
        p[t] = 1009;
        over[t] = 1 / p[t];
    }
    for (const struct kernels *const *k = kernels_levels; *k; k++)
        for (double x = 0; x < 3000 && kernels_supported(*k); x++) {
            (*k)->hash_small(plain, x, a, b, p, over, MODULUS, 1, 1, 0, COUNT);
            (*k)->hash_small(out, x, a, b, p, over, MODULUS, 1.0 / (MODULUS - 1), 2, -1, COUNT);
            for (size_t t = 0; t < COUNT; t++) {
                float u = (float)((double)plain[t] * (1.0 / (MODULUS - 1))), twice = u * 2;

                assert_true(out[t] == twice - 1);
                assert_true(out[t] >= -1 && out[t] <= 1);
            }
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_affine),
        cmocka_unit_test(test_mish),
        cmocka_unit_test(test_hash_small),
        cmocka_unit_test(test_hash_scaled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
