/* SPDX-License-Identifier: Apache-2.0 */
/* ALPT beyond what all methods share: worked values, rules, the straight-through step of the scale
   against float64, and that no scale of a fine grid fits a row better than the one that is found.
 */
#include "methods/alpt.h"

#include <float.h>
#include <math.h>

#include "kernels/kernels.h"
#include "methods/gradient.h"
#include "methods/optimizer.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void make(struct parameters *p, uint64_t rows, uint32_t dim, const char *settings)
{
    kit_parameters(p, method_find("alpt", 4), rows, dim, 0, settings);
    for (uint64_t i = 0; i < rows; i++)
        ((float *)p->tensor[ALPT_SCALE].data)[i] = 0.01f;
}

static void test_worked_values(void **state)
{
    static const uint64_t row[] = {1, 0};
    struct parameters p;
    struct error e;
    float out[6];

    (void)state;
    make(&p, 2, 3, "digit=8 middle=0.5");
    memcpy(p.tensor[ALPT_Q].data, (int8_t[]){-128, 0, 127, 1, -1, 100}, 6);
    ((float *)p.tensor[ALPT_SCALE].data)[1] = 0.25f;
    assert_ok(parameters_check(&p, &e), e);
    p.method->rows(&p, row, 2, out);
    assert_true(out[0] == 0.75f && out[1] == 0.25f && out[2] == 25.5f);
    assert_true(out[3] == -128 * 0.01f + 0.5f && out[4] == 0.5f && out[5] == 127 * 0.01f + 0.5f);
    assert_int_equal(parameters_work(&p), 3);
    kit_done(&p);
}

static void test_check(void **state)
{
    static const struct {
        int64_t digit;
        enum dtype dtype;
        double middle, scale_lr;
        const char *words; /* NULL: accepted */
    } rows[] = {
        {8, DT_I8, 0, 2e-5, NULL},
        {16, DT_I16, -3, 0, NULL},
        {8, DT_I16, 0, 0, "tensor \"q\" holds I16; with digit 8 it must be I8"},
        {16, DT_I8, 0, 0, "tensor \"q\" holds I8; with digit 16 it must be I16"},
        {12, DT_I16, 0, 0, "digit must be 8 or 16, not 12"},
        {8, DT_I8, 1e39, 0, "middle must be finite as float32, not 1e+39"},
        {8, DT_I8, 0, -1, "scale_lr must be a number from 0 on, not -1"},
        {8, DT_I8, 0, 1e39, "scale_lr must be a number from 0 on, not 1e+39"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct parameters p;
        struct error e;

        make(&p, 2, 3, "digit=16");
        p.value[ALPT_DIGIT].i = rows[i].digit;
        p.value[ALPT_MIDDLE].r = rows[i].middle;
        p.value[ALPT_SCALE_LR].r = rows[i].scale_lr;
        p.tensor[ALPT_Q].dtype = rows[i].dtype;
        if (rows[i].words)
            assert_fails(parameters_check(&p, &e), ST_INVALID, e, rows[i].words);
        else
            assert_ok(parameters_check(&p, &e), e);
        kit_done(&p);
    }
}

static void test_plan(void **state)
{
    static const struct {
        uint64_t budget;
        const char *settings;
        int64_t digit;
    } rows[] = {{0, "", 8},
                {100 * 68, "", 16},
                {100 * 68 - 1, "", 8},
                {100 * 36, "", 8},
                {0, "digit=16", 16},
                {100 * 68, "digit=8", 8},
                {100 * 68, "middle=1 scale_lr=0", 16}};
    struct plan plan;
    struct error e;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        kit_plan(&plan, method_find("alpt", 4), 100, 32, rows[i].budget, rows[i].settings);
        assert_ok(plan_make(&plan, &e), e);
        assert_int_equal(plan.value[ALPT_DIGIT].i, rows[i].digit);
        plan_done(&plan);
    }
    kit_plan(&plan, method_find("alpt", 4), 100, 32, 100 * 36 - 1, "");
    assert_fails(plan_make(&plan, &e), ST_INVALID, e, "the budget is 3.51 KiB");
    kit_plan(&plan, method_find("alpt", 4), 100, 32, 0, "digit=9");
    assert_fails(plan_make(&plan, &e), ST_INVALID, e, "digit must be 8 or 16, not 9");
    kit_plan(&plan, method_find("alpt", 4), 100, 32, 0, "scale_lr=-2");
    assert_fails(plan_make(&plan, &e), ST_INVALID, e, "scale_lr must be");
}

/* A middle looks up and is not trained; neither are optimizers that want float32. */
static void test_trainable(void **state)
{
    struct optimizer_settings s;
    struct parameters p;
    struct error e;

    (void)state;
    optimizer_settings_init(&s);
    s.optimizer = optimizer_find("sgd", 3);
    make(&p, 2, 3, "digit=8");
    assert_ok(optimizer_suits(&s, &p, &e), e);
    s.optimizer = optimizer_find("adam", 4);
    assert_fails(optimizer_suits(&s, &p, &e), ST_INVALID, e, "\"q\" holds I8");
    s.optimizer = optimizer_find("rowwise_adagrad", 15);
    assert_ok(optimizer_suits(&s, &p, &e), e);
    p.value[ALPT_MIDDLE].r = 0.5;
    assert_fails(optimizer_suits(&s, &p, &e), ST_PRECONDITION, e,
                 "alpt can be trained only with the middle 0, not 0.5");
    kit_done(&p);
}

/* A step of one row. */
struct bench {
    struct parameters p;
    struct patch patch;
    float *before, *after, *gradient;
    uint64_t row, ids, version;
    float rate; /* as the optimizer gives it */
};

static void bench_make(struct bench *b, uint32_t dim, const char *settings)
{
    struct error e;

    *b = (struct bench){.row = 2, .ids = 128, .rate = -1};
    make(&b->p, 4, dim, settings);
    assert_ok(parameters_check(&b->p, &e), e);
    b->before = calloc(dim, sizeof *b->before);
    b->after = calloc(dim, sizeof *b->after);
    b->gradient = calloc(dim, sizeof *b->gradient);
}

static void bench_free(struct bench *b)
{
    patch_done(&b->patch);
    free(b->before);
    free(b->after);
    free(b->gradient);
    kit_done(&b->p);
}

static float *scale_of(const struct bench *b)
{
    return (float *)b->p.tensor[ALPT_SCALE].data + b->row;
}

static int integer_at(const struct bench *b, uint32_t j)
{
    const struct tensor *q = &b->p.tensor[ALPT_Q];
    size_t i = b->row * b->p.dim + j;

    return q->dtype == DT_I8 ? ((const int8_t *)q->data)[i] : ((const int16_t *)q->data)[i];
}

static void bench_step(struct bench *b)
{
    struct rounding r = rounding_of("q", 9, b->version);
    struct unit_change change = {.tensor = ALPT_Q,
                                 .unit = b->row,
                                 .n = b->p.dim,
                                 .before = b->before,
                                 .after = b->after,
                                 .gradient = b->gradient,
                                 .rounding = &r,
                                 .ids = b->ids,
                                 .scale_lr = b->rate};
    struct error e;

    assert_ok(patch_reserve(&b->patch, 2, b->p.dim * 2 + 4, &e), e);
    unit_store(&b->p, &change, &b->patch);
    assert_int_equal(b->patch.count, 2);
    assert_ptr_equal(b->patch.piece[1].to, scale_of(b));
    patch_write(&b->patch);
}

/* The scale after the step, by methods.md 9.6 and 21.4. */
static double expected_scale(const struct bench *b, double scale)
{
    int64_t digit = b->p.value[ALPT_DIGIT].i;
    double high = pow(2, (double)digit - 1) - 1, low = -high - 1, sum = 0;
    double g = 1 / sqrt((double)b->ids * b->p.dim * (pow(2, (double)digit - 1) - 1));
    double rate = b->rate >= 0 ? (double)b->rate : (double)(float)b->p.value[ALPT_SCALE_LR].r;

    for (uint32_t j = 0; j < b->p.dim; j++) {
        double v = (double)b->after[j] / scale;
        double phi = v >= high ? high : v <= low ? low : floor(v + .5) - v;

        sum += (double)b->gradient[j] * phi;
    }
    return fmax(scale - rate * g * sum, 1e-8);
}

static int expected_integer(const struct bench *b, uint32_t j, double scale)
{
    struct rounding r = rounding_of("q", 9, b->version);
    double q;
    float u;

    rounding_draws(&r, b->row * b->p.dim + j, 1, &u);
    q = floor((double)b->after[j] / scale + (double)u);
    return (int)fmin(fmax(q, alpt_low(&b->p)), alpt_high(&b->p));
}

static void test_step(void **state)
{
    static const char *const settings[] = {"digit=8 scale_lr=0.25", "digit=16 scale_lr=0.125"};
    struct random r = {91};
    uint64_t saturated = 0;

    (void)state;
    for (int form = 0; form < 2; form++)
        for (unsigned turn = 0; turn < 2000; turn++) {
            struct bench b;
            uint64_t beyond = 0;
            double scale, due;

            bench_make(&b, 1 + (uint32_t)random_below(&r, turn % 50 ? 20 : 600), settings[form]);
            b.version = turn;
            b.ids = 1 + random_below(&r, 5000);
            b.rate = turn % 3 ? -1 : 0.75f;
            *scale_of(&b) = (form ? 4e-5f : 0.01f) * (0.5f + (float)random_below(&r, 100) / 50);
            random_bytes(&r, b.p.tensor[ALPT_Q].data, b.p.tensor[ALPT_Q].bytes);
            unit_load(&b.p, ALPT_Q, b.row, b.before);
            scale = (double)*scale_of(&b);
            for (uint32_t j = 0; j < b.p.dim; j++) {
                b.gradient[j] = random_normal(&r) * (form ? 1e-3f : 0.01f);
                b.after[j] = b.before[j];
                if (random_below(&r, 5))
                    b.after[j] += random_normal(&r) * (turn % 2 ? 0.3f : 0.003f);
            }
            due = expected_scale(&b, scale);
            bench_step(&b);
            if (!(fabs((double)*scale_of(&b) - due) <= 1e-7 * due))
                fail_msg("%s: the scale is %.9g, not %.9g", settings[form], (double)*scale_of(&b),
                         due);
            for (uint32_t j = 0; j < b.p.dim; j++) {
                double v = (double)b.after[j] / (double)*scale_of(&b);

                assert_int_equal(integer_at(&b, j), expected_integer(&b, j, (double)*scale_of(&b)));
                beyond += b.after[j] != b.before[j] && (v < alpt_low(&b.p) || v > alpt_high(&b.p));
            }
            assert_int_equal(b.patch.saturated, beyond);
            assert_int_equal(b.patch.kept, 0);
            saturated += beyond;
            bench_free(&b);
        }
    assert_true(saturated > 1000);
}

/* The worked factor: 128 ids, 16 columns; one element a quarter above an integer. */
static void test_factor(void **state)
{
    static const struct {
        const char *settings;
        double factor;
    } rows[] = {{"digit=8", 1.96e-3}, {"digit=16", 1.22e-4}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bench b;
        double moved;

        bench_make(&b, 16, rows[i].settings);
        *scale_of(&b) = 0.125f;
        b.rate = 1;
        b.after[3] = 5.25f * 0.125f;
        b.gradient[3] = 2;
        bench_step(&b);
        moved = (double)*scale_of(&b) - 0.125;
        assert_true(fabs(moved - rows[i].factor * 2 * 0.25) <= 0.005 * moved);
        assert_true(integer_at(&b, 3) == 5 || integer_at(&b, 3) == 6);
        bench_free(&b);
    }
}

/* A scale never reaches 0, and never leaves float32 with its row. */
static void test_scale_ends(void **state)
{
    struct bench b;
    float value[2];

    (void)state;
    bench_make(&b, 2, "digit=8 scale_lr=1");
    b.after[0] = 100; /* beyond the range, and the loss wants less of it */
    b.gradient[0] = 1000;
    bench_step(&b);
    assert_true(*scale_of(&b) == 1e-8f);
    assert_int_equal(integer_at(&b, 0), 127);
    *scale_of(&b) = 1e-20f; /* as a file may have it */
    b.gradient[0] = 0;
    bench_step(&b);
    assert_true(*scale_of(&b) == 1e-8f);

    *scale_of(&b) = 1;
    b.rate = FLT_MAX;
    b.after[0] = 1000;
    b.gradient[0] = -1000;
    bench_step(&b);
    assert_true(*scale_of(&b) == 1);
    assert_int_equal(b.patch.kept, 1);
    b.rate = 1e30f;
    b.ids = 4;
    bench_step(&b);
    assert_true(*scale_of(&b) > 1e30f);
    assert_int_equal(b.patch.kept, 0);
    unit_load(&b.p, ALPT_Q, b.row, value);
    assert_true(isfinite(value[0]) && isfinite(value[1]));
    bench_free(&b);
}

/* With the scale as it was, what does not move keeps its integer, whatever the draws. */
static void test_unmoved(void **state)
{
    struct random r = {92};

    (void)state;
    for (unsigned turn = 0; turn < 500; turn++) {
        struct bench b;
        int8_t old[50];

        bench_make(&b, 50, "digit=8 scale_lr=0");
        b.version = turn;
        *scale_of(&b) = 0.01f + (float)turn * 1e-5f;
        random_bytes(&r, b.p.tensor[ALPT_Q].data, b.p.tensor[ALPT_Q].bytes);
        memcpy(old, (int8_t *)b.p.tensor[ALPT_Q].data + b.row * 50, sizeof old);
        unit_load(&b.p, ALPT_Q, b.row, b.before);
        memcpy(b.after, b.before, 50 * sizeof *b.after);
        b.gradient[0] = 5;
        bench_step(&b);
        assert_memory_equal((int8_t *)b.p.tensor[ALPT_Q].data + b.row * 50, old, sizeof old);
        bench_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worked_values), cmocka_unit_test(test_check),
        cmocka_unit_test(test_plan),          cmocka_unit_test(test_trainable),
        cmocka_unit_test(test_step),          cmocka_unit_test(test_factor),
        cmocka_unit_test(test_scale_ends),    cmocka_unit_test(test_unmoved),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
