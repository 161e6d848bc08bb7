/* SPDX-License-Identifier: Apache-2.0 */
/* The scalar level against plain formulas: halves, bfloat16, the INT8 wire format, signs, sums of
   squares, numbers that are not finite. */
#include "kernels/kernels.h"

#include <float.h>
#include <math.h>

#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define DIM_MAX 67

/* Nearest half of a float by way of doubles: scale so that a half's last place is 1, round, scale
   back. */
static uint16_t plain_half(float x)
{
    double a = fabs((double)x), unit, rounded;
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    int exponent;

    frexp(a, &exponent);
    unit = ldexp(1, exponent - 11 > -24 ? exponent - 11 : -24);
    rounded = nearbyint(a / unit) * unit;
    if (rounded >= 65536)
        return sign | 0x7c00;
    if (rounded < 0x1p-14)
        return sign | (uint16_t)(rounded * 0x1p24);
    frexp(rounded, &exponent);
    return sign | (uint16_t)(((exponent + 14) << 10) + (ldexp(rounded, 11 - exponent) - 1024));
}

static void test_half(void **state)
{
    struct random r = {2};

    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        float x = f32_from_f16((uint16_t)h);

        if ((h & 0x7fff) > 0x7c00) {
            assert_true(isnan(x));
            assert_int_equal(f16_from_f32(x), h | 0x200); /* a quiet one comes back as it was */
            continue;
        }
        assert_int_equal(f16_from_f32(x), h);
        if (isinf(x))
            continue;
        assert_int_equal(plain_half(x), h);
        for (int step = 0; step < 2; step++) { /* around the middle to the next half */
            float next = f32_from_f16((uint16_t)(h + 1)), middle = (x + next) / 2;

            if (isinf(next))
                middle = signbit(x) ? -65520 : 65520;
            if (isnan(next))
                break;
            middle = nextafterf(middle, step ? INFINITY : -INFINITY);
            assert_int_equal(f16_from_f32(middle), plain_half(middle));
        }
    }
    assert_int_equal(f16_from_f32(65520), 0x7c00);
    assert_int_equal(f16_from_f32(nextafterf(65520, 0)), 0x7bff);
    assert_int_equal(f16_from_f32(0x1p-25f), 0);
    assert_int_equal(f16_from_f32(nextafterf(0x1p-25f, 1)), 1);
    for (int i = 0; i < 200000; i++) {
        float x = random_any_float(&r);

        if (isfinite(x))
            assert_int_equal(f16_from_f32(x), plain_half(x));
    }
}

static void test_brain(void **state)
{
    static const struct {
        float in;
        uint16_t out;
    } rows[] = {
        {1.0f, 0x3f80},        {1.00390625f, 0x3f80}, /* 1 + 2^-8: a tie, down to even */
        {1.01171875f, 0x3f82},                        /* 1 + 3 * 2^-8: a tie, up to even */
        {1.00390637f, 0x3f81}, {-0.0f, 0x8000},       {FLT_MAX, 0x7f80},
        {INFINITY, 0x7f80},    {-INFINITY, 0xff80},   {0x1p-149f, 0x0000},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(bf16_from_f32(rows[i].in), rows[i].out);
    assert_true(isnan(f32_from_bf16(bf16_from_f32(NAN))));
    for (uint32_t h = 0; h < 0x10000; h++)
        if ((h & 0x7fff) <= 0x7f80)
            assert_int_equal(bf16_from_f32(f32_from_bf16((uint16_t)h)), h);
}

static void fused8(const float *in, size_t dim, uint8_t *code, float *scale, float *bias)
{
    unsigned char out[FUSED8_BYTES(DIM_MAX)];

    kernels_levels[0]->f32_to_fused8(out, in, dim);
    memcpy(code, out, dim);
    memcpy(scale, out + dim, 4);
    memcpy(bias, out + dim + 4, 4);
}

static void test_fused8_formula(void **state)
{
    struct random r = {3};
    float in[DIM_MAX], scale, bias;
    uint8_t code[DIM_MAX];

    (void)state;
    for (size_t dim = 1; dim <= DIM_MAX; dim++)
        for (int turn = 0; turn < 50; turn++) {
            float size = ldexpf(1, (int)random_below(&r, 60) - 40), min = INFINITY;
            float max = -INFINITY;

            for (size_t j = 0; j < dim; j++) {
                in[j] = random_normal(&r) * size;
                min = fminf(min, in[j]);
                max = fmaxf(max, in[j]);
            }
            fused8(in, dim, code, &scale, &bias);
            assert_true(scale == (max - min) / 255);
            assert_true(bias == min);
            for (size_t j = 0; j < dim; j++)
                assert_int_equal(code[j], lrintf((in[j] - min) * 255 / (max - min + 1e-8f)));
        }
}

static void test_fused8_edges(void **state)
{
    static const struct {
        const char *name;
        float in[3];
        uint8_t code[3];
        float scale, bias;
    } rows[] = {
        {"constant", {7, 7, 7}, {0, 0, 0}, 0, 7},
        {"zeros", {-0.0f, 0, -0.0f}, {0, 0, 0}, 0, 0},
        {"whole steps", {0, 255, 128}, {0, 255, 128}, 1, 0},
        {"ties to even", {0, 510, 3}, {0, 255, 2}, 2, 0},
        {"overflow", {-FLT_MAX, FLT_MAX, -FLT_MAX}, {0, 255, 0}, FLT_MAX / 255, -FLT_MAX},
        {"infinite", {0, INFINITY, 5}, {0, 255, 0}, FLT_MAX / 255, 0},
        {"NaN among numbers", {NAN, 0, 255}, {0, 0, 255}, 1, 0},
        {"nothing but NaN", {NAN, NAN, NAN}, {0, 0, 0}, 0, 0},
    };
    uint8_t code[3];
    float scale, bias;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        fused8(rows[i].in, 3, code, &scale, &bias);
        if (memcmp(code, rows[i].code, 3) != 0 || memcmp(&scale, &rows[i].scale, 4) != 0 ||
            memcmp(&bias, &rows[i].bias, 4) != 0)
            fail_msg("%s: codes %d %d %d, scale %g, bias %g", rows[i].name, code[0], code[1],
                     code[2], (double)scale, (double)bias);
    }
}

static void test_signs_formula(void **state)
{
    static const uint32_t moduli[] = {1, 2, 3, 17, 2038074743, 2147483647, (uint32_t)1 << 31};
    uint32_t multiple[SIGNS_TURN + 1];
    struct random r = {4};
    float x[DIM_MAX];

    (void)state;
    for (int turn = 0; turn < 3000; turn++) {
        uint32_t modulus = moduli[(size_t)turn % COUNT(moduli)];
        uint32_t term = (uint32_t)random_below(&r, modulus);
        uint32_t step = (uint32_t)random_below(&r, modulus);
        size_t n = random_below(&r, DIM_MAX + 1);

        for (size_t j = 0; j < n; j++)
            x[j] = (float)j;
        for (size_t j = 0; j <= SIGNS_TURN; j++)
            multiple[j] = (uint32_t)((uint64_t)j * step % modulus);
        kernels_levels[0]->f32_signs(x, n, term, multiple, modulus);
        for (size_t j = 0; j < n; j++) {
            int odd = (term + (uint64_t)j * step) % modulus % 2;

            assert_true(x[j] == (odd ? (float)j : -(float)j) && (signbit(x[j]) == 0) == odd);
        }
    }
}

/* Sixteen sums of every sixteenth place, and then their sum by pairs of halves. */
static void test_energy_formula(void **state)
{
    struct random r = {5};
    float x[DIM_MAX];

    (void)state;
    for (int turn = 0; turn < 3000; turn++) {
        size_t n = random_below(&r, DIM_MAX + 1);
        float part[16] = {0};
        double exact = 0, energy;

        for (size_t j = 0; j < n; j++) {
            float square;

            x[j] = random_normal(&r);
            square = x[j] * x[j];
            part[j % 16] += square;
            exact += (double)x[j] * (double)x[j];
        }
        for (size_t half = 8; half; half /= 2)
            for (size_t c = 0; c < half; c++)
                part[c] += part[c + half];
        energy = (double)kernels_levels[0]->f32_energy(x, n);
        assert_true(energy == (double)part[0]);
        assert_true(fabs(energy - exact) <= 16 * (double)FLT_EPSILON * exact);
    }
}

/* One number that is not finite, at any place, is found; those next to it in size are none. */
static void test_finite(void **state)
{
    static const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    static const float good[] = {FLT_MAX, -FLT_MAX, 0, -0.0f, FLT_TRUE_MIN, -FLT_MIN, 1};
    float x[DIM_MAX] = {0};

    (void)state;
    for (size_t n = 0; n <= DIM_MAX; n++) {
        for (size_t j = 0; j < n; j++)
            x[j] = good[j % COUNT(good)];
        assert_true(kernels_levels[0]->f32_finite(x, n));
        for (size_t j = 0; j < n; j++)
            for (size_t k = 0; k < COUNT(bad); k++) {
                float was = x[j];

                x[j] = bad[k];
                assert_false(kernels_levels[0]->f32_finite(x, n));
                x[j] = was;
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_half),           cmocka_unit_test(test_brain),
        cmocka_unit_test(test_fused8_formula), cmocka_unit_test(test_fused8_edges),
        cmocka_unit_test(test_signs_formula),  cmocka_unit_test(test_energy_formula),
        cmocka_unit_test(test_finite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
