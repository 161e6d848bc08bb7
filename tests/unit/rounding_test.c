/* SPDX-License-Identifier: Apache-2.0 */
/* Random rounding: Philox against the known answers of its authors, draws, and halves against the
   rule written down in float64. Integers are in integer_train_test.c. */
#include "methods/gradient.h"

#include <math.h>

#include "kernels/kernels.h"
#include "base/philox.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* kat_vectors of Random123, philox 4x32 with 10 rounds. */
static const struct {
    uint32_t counter[4], key[2], random[4];
} known[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

static void test_philox(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(known); i++) {
        const uint32_t *c = known[i].counter, *k = known[i].key;
        struct rounding r = {(uint64_t)k[1] << 32 | k[0], (uint64_t)c[3] << 32 | c[2]};
        uint32_t words[4];
        float u;

        memcpy(words, c, sizeof words);
        philox(words, k[0], k[1]);
        assert_memory_equal(words, known[i].random, sizeof words);
        rounding_draws(&r, (uint64_t)c[1] << 32 | c[0], 1, &u);
        assert_true((double)u == (known[i].random[0] >> 8) * 0x1p-24);
    }
}

/* Each element has its own draw, however many are asked for at once. */
static void test_draws(void **state)
{
    static float u[70000], one;
    struct rounding r = rounding_of("weight", 0, 7);
    unsigned bucket[16] = {0};
    uint64_t first = UINT64_C(0x100000000) - 1000; /* across the low word */
    double sum = 0, chi = 0;

    (void)state;
    rounding_draws(&r, first, COUNT(u), u);
    for (size_t i = 0; i < COUNT(u); i++) {
        assert_true(u[i] >= 0 && u[i] < 1 && ldexpf(u[i], 24) == truncf(ldexpf(u[i], 24)));
        sum += (double)u[i];
        bucket[(int)(u[i] * 16)]++;
    }
    for (size_t i = 0; i < 3000; i++) {
        rounding_draws(&r, first + i, 1, &one);
        assert_true(one == u[i]);
    }
    assert_true(fabs(sum / COUNT(u) - 0.5) < 5 * sqrt(1.0 / 12 / COUNT(u)));
    for (size_t i = 0; i < 16; i++)
        chi += pow(bucket[i] - COUNT(u) / 16.0, 2) / (COUNT(u) / 16.0);
    assert_true(chi < 50); /* 15 degrees of freedom: 1e-5 */
}

static void test_key(void **state)
{
    struct rounding r = rounding_of("xxhash", 20141025, 5);

    (void)state;
    assert_true(r.key == 0xb559b98d844e0635 && r.version == 5);
    assert_true(rounding_of("f0.weight", 1, 5).key != rounding_of("f1.weight", 1, 5).key);
    assert_true(rounding_of("f0.weight", 1, 5).key != rounding_of("f0.weight", 2, 5).key);
}

/* One unit of halves, and what becomes of it. */
struct unit {
    struct parameters p;
    struct patch patch;
    size_t width;
    float *before, *after;
    uint16_t *stored, *out;
};

static void unit_make(struct unit *u, const char *method, uint64_t rows, uint32_t width)
{
    struct error e;

    *u = (struct unit){.width = width};
    kit_parameters(&u->p, method_find(method, strlen(method)), rows, width, 0, "");
    assert_ok(parameters_check(&u->p, &e), e);
    u->before = calloc(width, sizeof *u->before);
    u->after = calloc(width, sizeof *u->after);
    assert_ok(patch_reserve(&u->patch, 1, width * sizeof(uint16_t), &e), e);
}

static void unit_free(struct unit *u)
{
    free(u->before);
    free(u->after);
    patch_done(&u->patch);
    kit_done(&u->p);
}

static void unit_step(struct unit *u, uint64_t unit, const struct rounding *r)
{
    struct unit_change change = {
        .unit = unit, .n = u->width, .before = u->before, .after = u->after, .rounding = r};
    struct error e;

    assert_ok(patch_reserve(&u->patch, 1, u->width * sizeof(uint16_t), &e), e);
    unit_store(&u->p, &change, &u->patch);
    u->stored = (uint16_t *)u->p.tensor[0].data + unit * u->width;
    u->out = (uint16_t *)u->patch.data;
    assert_int_equal(u->patch.count, 1);
    assert_ptr_equal(u->patch.piece[0].to, u->stored);
    assert_int_equal(u->patch.piece[0].bytes, u->width * sizeof(uint16_t));
}

static float widen(const char *method, uint16_t h)
{
    return method[0] == 'f' ? f32_from_f16(h) : f32_from_bf16(h);
}

/* The rule: the magnitude in steps of its last kept bit, plus the draw, cut to an integer. */
static double rounded(const char *method, float x, float u)
{
    bool half = method[0] == 'f';
    double a = fabs((double)x), largest = half ? 65504 : 0x1.fep127, step;
    int exponent;

    if (a > largest)
        return copysign(largest, (double)x);
    frexp(a, &exponent); /* a = f * 2^exponent, f from 1/2 to 1 */
    step = ldexp(1, half ? (exponent - 11 > -24 ? exponent - 11 : -24)
                         : (exponent - 8 > -133 ? exponent - 8 : -133));
    return copysign(floor(a / step + (double)u) * step, (double)x);
}

static const char *const halves[] = {"fp16", "bf16"};

static void test_halves(void **state)
{
    enum { WIDTH = 700 }; /* more than are rounded at a time */
    struct random random = {41};

    (void)state;
    for (size_t m = 0; m < COUNT(halves); m++) {
        uint64_t beyond, in_all = 0;
        struct unit u;
        float draw;

        unit_make(&u, halves[m], 5, WIDTH);
        for (unsigned turn = 0; turn < 300; turn++) {
            struct rounding r = rounding_of("weight", turn % 3, turn);
            uint64_t unit = turn % 5;

            beyond = 0;
            for (size_t j = 0; j < WIDTH; j++) {
                u.before[j] = 0.5f; /* of other bits than what is stored: those must not matter */
                do
                    u.after[j] = random_any_float(&random);
                while (!isfinite(u.after[j]));
                if (j % 3 == 0) /* within reach of a half */
                    u.after[j] =
                        ldexpf(random_normal(&random), (int)random_below(&random, 44) - 28);
                beyond += fabs((double)u.after[j]) > (m ? 0x1.fep127 : 65504);
            }
            unit_step(&u, unit, &r);
            for (size_t j = 0; j < WIDTH; j++) {
                double want;

                rounding_draws(&r, unit * WIDTH + j, 1, &draw);
                want = rounded(halves[m], u.after[j], draw);
                if ((double)widen(halves[m], u.out[j]) != want ||
                    !signbit(widen(halves[m], u.out[j])) != !signbit(u.after[j]))
                    fail_msg("%s: %a and %a gave %a, not %a", halves[m], (double)u.after[j],
                             (double)draw, (double)widen(halves[m], u.out[j]), want);
            }
            assert_int_equal(u.patch.saturated, beyond);
            assert_int_equal(u.patch.kept, 0);
            in_all += beyond;
        }
        assert_true(in_all > 100);
        unit_free(&u);
    }
}

/* Below 2^-14 the draw and the fraction meet exactly where they make one. */
static void test_meeting(void **state)
{
    struct unit u;
    float draw[50];

    (void)state;
    unit_make(&u, "fp16", 1, 2 * COUNT(draw));
    for (uint64_t version = 0; version < 20; version++) {
        struct rounding r = rounding_of("weight", 0, version);

        for (size_t j = 0; j < COUNT(draw); j++) {
            rounding_draws(&r, 2 * j, 1, &draw[j]);
            u.after[2 * j] = (1 - draw[j]) * 0x1p-24f;
            rounding_draws(&r, 2 * j + 1, 1, &draw[j]);
            u.after[2 * j + 1] = -nextafterf(1 - draw[j], 0) * 0x1p-24f;
        }
        unit_step(&u, 0, &r);
        for (size_t j = 0; j < COUNT(draw); j++) {
            assert_int_equal(u.out[2 * j], 1);
            assert_int_equal(u.out[2 * j + 1], 0x8000);
        }
    }
    unit_free(&u);
}

/* What did not change keeps its bits and is not counted, even where rounding would move it. */
static void test_unchanged(void **state)
{
    struct random random = {42};

    (void)state;
    for (size_t m = 0; m < COUNT(halves); m++) {
        uint16_t largest = m ? 0x7f7f : 0x7bff;
        struct rounding r = rounding_of("weight", 0, 1);
        struct unit u;

        unit_make(&u, halves[m], 1, 300);
        u.stored = u.p.tensor[0].data;
        for (size_t j = 0; j < u.width; j++)
            u.stored[j] =
                (uint16_t)(random_below(&random, 2) << 15 | random_below(&random, largest));
        u.stored[0] = 0x8000;
        u.stored[1] = 1;
        u.stored[2] = largest;
        unit_load(&u.p, 0, 0, u.before);
        for (size_t j = 0; j < u.width; j++) {
            assert_true(u.before[j] == widen(halves[m], u.stored[j]));
            u.after[j] = j % 2 && j > 2 ? u.before[j] + 1e-3f * fabsf(u.before[j]) : u.before[j];
        }
        u.after[0] = 0; /* for -0 */
        unit_step(&u, 0, &r);
        for (size_t j = 0; j < u.width; j++)
            if (u.after[j] == u.before[j])
                assert_int_equal(u.out[j], u.stored[j]);
        unit_free(&u);
    }
}

/* The mean over many versions is the value, however small the step. */
static void test_unbiased(void **state)
{
    static const float values[] = {1.0001f, -1.0001f, 0.99999f, 3.14159f, -700.123f, 65503,
                                   3e-6f,   -2e-6f,   1e-8f,    6.1e-5f,  0.1f,      2047.7f};
    enum { TURNS = 40000 };

    (void)state;
    for (size_t m = 0; m < COUNT(halves); m++) {
        double sum[COUNT(values)] = {0};
        struct unit u;

        unit_make(&u, halves[m], 1, COUNT(values));
        memcpy(u.after, values, sizeof values);
        for (uint64_t turn = 0; turn < TURNS; turn++) {
            struct rounding r = rounding_of("weight", 0, turn);

            unit_step(&u, 0, &r);
            for (size_t j = 0; j < COUNT(values); j++)
                sum[j] += (double)widen(halves[m], u.out[j]);
        }
        for (size_t j = 0; j < COUNT(values); j++) {
            double up = fabs(rounded(halves[m], values[j], 1 - 0x1p-24f));
            double step = up - fabs(rounded(halves[m], values[j], 0));

            if (!(fabs(sum[j] / TURNS - (double)values[j]) <= 5 * step / 2 / sqrt(TURNS)))
                fail_msg("%s: the mean of %a is %a", halves[m], (double)values[j], sum[j] / TURNS);
        }
        unit_free(&u);
    }
}

/* float32 is not rounded, and -0 that did not move stays what it was. */
static void test_floats(void **state)
{
    struct rounding r = rounding_of("weight", 0, 1);
    float before[4] = {-0.0f, 1, 2, 3}, after[4] = {0, 1.1f, 2, -3e38f};
    struct unit_change change = {
        .unit = 1, .n = 4, .before = before, .after = after, .rounding = &r};
    struct patch patch = {0};
    struct parameters p;
    struct error e;
    float back[4];

    (void)state;
    kit_parameters(&p, method_find("full", 4), 3, 4, 0, "");
    assert_ok(parameters_check(&p, &e), e);
    assert_ok(patch_reserve(&patch, 1, sizeof after, &e), e);
    unit_store(&p, &change, &patch);
    unit_load(&p, 0, 1, back);
    assert_true(back[1] == 0);
    patch_write(&patch);
    unit_load(&p, 0, 1, back);
    assert_true(signbit(back[0]) && back[1] == 1.1f && back[2] == 2 && back[3] == -3e38f);
    assert_int_equal(patch.saturated, 0);
    unit_load(&p, 0, 0, back);
    assert_true(back[0] == 0 && back[3] == 0);
    patch_done(&patch);
    kit_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox),   cmocka_unit_test(test_draws),
        cmocka_unit_test(test_key),      cmocka_unit_test(test_halves),
        cmocka_unit_test(test_meeting),  cmocka_unit_test(test_unchanged),
        cmocka_unit_test(test_unbiased), cmocka_unit_test(test_floats),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
