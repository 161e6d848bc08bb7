/* SPDX-License-Identifier: Apache-2.0 */
/* Training of integers: rounding to a grid against the rule in float64, in every form; ranges that
   are left, rows that get another, and ends of float32. */
#include "methods/integer_rows.h"

#include <float.h>
#include <math.h>

#include "kernels/kernels.h"
#include "methods/gradient.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* One row of a table, before and after a step. */
struct bench {
    struct parameters p;
    struct patch patch;
    unsigned tensor;
    int low, high; /* integers */
    uint64_t row;
    uint32_t dim;
    float *before, *after;
};

static void bench_make(struct bench *b, const char *method, const char *settings, uint32_t dim)
{
    struct error e;

    *b = (struct bench){.row = 2, .dim = dim};
    kit_parameters(&b->p, method_find(method, strlen(method)), 4, dim, 0, settings);
    assert_ok(parameters_check(&b->p, &e), e);
    b->tensor = kit_setting(&b->p, "signed")->i ? INTEGER_SIGNED_Q : INTEGER_UNSIGNED_Q;
    b->high = strcmp(method, "int8") ? 65535 : 255;
    if (kit_setting(&b->p, "signed")->i) {
        b->low = -(b->high + 1) / 2;
        b->high += b->low;
    }
    b->before = calloc(dim, sizeof *b->before);
    b->after = calloc(dim, sizeof *b->after);
}

static void bench_free(struct bench *b)
{
    patch_done(&b->patch);
    free(b->before);
    free(b->after);
    kit_done(&b->p);
}

static float *qparams(const struct bench *b)
{
    return (float *)b->p.tensor[INTEGER_QPARAMS].data + 2 * b->row;
}

static int integer_at(const struct bench *b, uint32_t j)
{
    const struct tensor *t = &b->p.tensor[b->tensor];
    uint64_t i = b->row * b->dim + j;

    if (dtype_size(t->dtype) == 1)
        return b->low ? ((const int8_t *)t->data)[i] : ((const uint8_t *)t->data)[i];
    return b->low ? ((const int16_t *)t->data)[i] : ((const uint16_t *)t->data)[i];
}

static void integers_fill(struct bench *b, struct random *r)
{
    random_bytes(r, b->p.tensor[b->tensor].data, b->p.tensor[b->tensor].bytes);
    unit_load(&b->p, b->tensor, b->row, b->before);
    memcpy(b->after, b->before, b->dim * sizeof *b->after);
}

/* Step from `before` to `after`, and write. */
static void bench_step(struct bench *b, uint64_t version)
{
    const struct tensor *t = &b->p.tensor[b->tensor];
    struct rounding r = rounding_of("q", 9, version);
    struct unit_change change = {.tensor = b->tensor,
                                 .unit = b->row,
                                 .n = b->dim,
                                 .before = b->before,
                                 .after = b->after,
                                 .rounding = &r};
    size_t bytes = b->dim * dtype_size(t->dtype), qparam_bytes = 2 * sizeof(float);
    struct error e;

    assert_ok(patch_reserve(&b->patch, 2, bytes + qparam_bytes, &e), e);
    unit_store(&b->p, &change, &b->patch);
    assert_true(b->patch.count == 1 || b->patch.count == 2);
    assert_ptr_equal(b->patch.piece[0].to, (char *)t->data + b->row * bytes);
    assert_int_equal(b->patch.piece[0].bytes, bytes);
    if (b->patch.count == 2) {
        assert_ptr_equal(b->patch.piece[1].to, qparams(b));
        assert_int_equal(b->patch.piece[1].bytes, qparam_bytes);
    }
    patch_write(&b->patch);
}

/* The rule of methods.md 8.6. */
static int rounded(const struct bench *b, float x, double scale, double bias, uint64_t version,
                   uint32_t j)
{
    struct rounding r = rounding_of("q", 9, version);
    double q;
    float u;

    rounding_draws(&r, b->row * b->dim + j, 1, &u);
    q = floor(((double)x - bias) / scale + (double)u);
    return q < b->low ? b->low : q > b->high ? b->high : (int)q;
}

static const struct {
    const char *method, *settings;
} forms[] = {
    {"int8", "signed=true qparam=table scale=0.01 middle=0.125"},
    {"int8", "signed=false qparam=table scale=0.01 middle=0.125"},
    {"int16", "signed=true qparam=table scale=0.0001"},
    {"int16", "signed=false qparam=table scale=0.0001"},
    {"int8", "signed=true qparam=row"},
    {"int8", "signed=false qparam=row"},
    {"int16", "signed=true qparam=row"},
    {"int16", "signed=false qparam=row"},
};

static bool each_row(const struct bench *b)
{
    return kit_setting(&b->p, "qparam")->i == QPARAM_ROW;
}

/* Values of which the lowest integer stands for -1.28, near enough. */
static void grid(struct bench *b, float *scale, float *bias)
{
    if (!each_row(b)) {
        *scale = (float)kit_setting(&b->p, "scale")->r;
        *bias = integer_bias(&b->p);
        return;
    }
    *scale = 2.56f / (float)(b->high - b->low);
    *bias = -1.28f - (float)b->low * *scale;
    qparams(b)[0] = *scale;
    qparams(b)[1] = *bias;
}

/* Steps inside the range: each element by the rule, or, if it did not move, as it was. */
static void test_inside(void **state)
{
    struct random r = {61};

    (void)state;
    for (size_t f = 0; f < COUNT(forms); f++) {
        struct bench b;
        float scale, bias, least, most;

        bench_make(&b, forms[f].method, forms[f].settings, 700);
        grid(&b, &scale, &bias);
        least = (float)b.low * scale + bias;
        most = (float)b.high * scale + bias;
        for (uint64_t version = 0; version < 40; version++) {
            int old[700];

            integers_fill(&b, &r);
            for (uint32_t j = 0; j < b.dim; j++) {
                float to = b.before[j] + random_normal(&r) * (j % 3 ? scale : 10 * scale);

                old[j] = integer_at(&b, j);
                if (random_below(&r, 4) && to >= least && to <= most)
                    b.after[j] = to;
            }
            bench_step(&b, version);
            assert_int_equal(b.patch.count, 1);
            assert_int_equal(b.patch.saturated, 0);
            for (uint32_t j = 0; j < b.dim; j++) {
                int want = b.after[j] == b.before[j]
                               ? old[j]
                               : rounded(&b, b.after[j], (double)scale, (double)bias, version, j);

                if (integer_at(&b, j) != want)
                    fail_msg("%s %s: %g became %d, not %d", forms[f].method, forms[f].settings,
                             (double)b.after[j], integer_at(&b, j), want);
            }
        }
        bench_free(&b);
    }
}

/* Steps far below the grid hold in expectation, at the ends of the range too. */
static void test_unbiased(void **state)
{
    enum { TURNS = 40000, DIM = 9 };
    struct random r = {62};

    (void)state;
    for (size_t f = 0; f < COUNT(forms); f++) {
        double sum[DIM] = {0};
        float scale, bias;
        struct bench b;

        bench_make(&b, forms[f].method, forms[f].settings, DIM);
        grid(&b, &scale, &bias);
        integers_fill(&b, &r);
        b.before[0] = (float)b.low * scale + bias;
        b.before[1] = (float)b.high * scale + bias;
        for (uint32_t j = 0; j < DIM; j++)
            b.after[j] = b.before[j] + scale * (j == 1 ? -0.03f : 0.01f + 0.1f * (float)j);
        for (uint32_t j = 2; j < DIM; j++)
            b.after[j] = fminf(b.after[j], b.before[1]);
        for (uint64_t version = 0; version < TURNS; version++) {
            bench_step(&b, version);
            for (uint32_t j = 0; j < DIM; j++)
                sum[j] += integer_at(&b, j);
        }
        for (uint32_t j = 0; j < DIM; j++) {
            double want = ((double)b.after[j] - (double)bias) / (double)scale;

            if (!(fabs(sum[j] / TURNS - want) <= 5 * 0.5 / sqrt(TURNS)))
                fail_msg("%s %s: the mean of %g is %g", forms[f].method, forms[f].settings, want,
                         sum[j] / TURNS);
        }
        bench_free(&b);
    }
}

/* One scale for the table: what lies outside is cut off and counted. */
static void test_clip(void **state)
{
    (void)state;
    for (size_t f = 0; f < 4; f++) {
        float scale, bias, least, most;
        struct bench b;

        bench_make(&b, forms[f].method, forms[f].settings, 8);
        grid(&b, &scale, &bias);
        least = (float)b.low * scale + bias;
        most = (float)b.high * scale + bias;
        memset(b.p.tensor[b.tensor].data, b.low ? 0x7f : 0xff, b.p.tensor[b.tensor].bytes);
        if (b.p.tensor[b.tensor].dtype == DT_I16)
            for (size_t i = 0; i < b.p.tensor[b.tensor].count; i++)
                ((int16_t *)b.p.tensor[b.tensor].data)[i] = 0x7fff;
        unit_load(&b.p, b.tensor, b.row, b.before);
        assert_true(b.before[0] == most);
        memcpy(b.after,
               (float[]){most, most + scale, 3e38f, -3e38f, least, least - scale / 8,
                         nextafterf(most, 9), nextafterf(least, 9)},
               8 * sizeof(float));
        bench_step(&b, 1);
        assert_int_equal(b.patch.saturated, 5);
        assert_int_equal(b.patch.count, 1);
        for (uint32_t j = 0; j < 8; j++)
            if (j == 3 || j == 4 || j == 5)
                assert_int_equal(integer_at(&b, j), b.low);
            else if (j < 7)
                assert_int_equal(integer_at(&b, j), b.high);
            else
                assert_true(integer_at(&b, j) <= b.low + 1);
        bench_free(&b);
    }
}

/* A row that leaves its range gets another, and every value of it, moved or not, is the new one's
   neighbour. */
static void test_widen(void **state)
{
    struct random r = {63};

    (void)state;
    for (size_t f = 4; f < COUNT(forms); f++)
        for (uint64_t version = 0; version < 200; version++) {
            float scale, bias, min = FLT_MAX, max = -FLT_MAX, value[300];
            struct bench b;
            uint32_t far;

            bench_make(&b, forms[f].method, forms[f].settings,
                       1 + (uint32_t)random_below(&r, COUNT(value)));
            grid(&b, &scale, &bias);
            integers_fill(&b, &r);
            far = (uint32_t)random_below(&r, b.dim);
            for (uint32_t j = 0; j < b.dim; j++)
                if (j == far)
                    b.after[j] = version % 2 ? 1.29f + fabsf(random_normal(&r)) : -1.5f;
                else if (random_below(&r, 2))
                    b.after[j] += 0.01f * random_normal(&r);
            bench_step(&b, version);
            assert_int_equal(b.patch.count, 2);
            assert_int_equal(b.patch.saturated, 0);
            for (uint32_t j = 0; j < b.dim; j++) {
                min = fminf(min, b.after[j]);
                max = fmaxf(max, b.after[j]);
            }
            scale = (float)(((double)max - (double)min) / (b.high - b.low));
            bias = (float)((double)min - (double)scale * b.low);
            assert_true(qparams(&b)[0] == scale && qparams(&b)[1] == (scale > 0 ? bias : min));
            unit_load(&b.p, b.tensor, b.row, value);
            for (uint32_t j = 0; j < b.dim; j++) {
                /* A step, and what float32 adds to a product and a sum. */
                assert_true(fabsf(value[j] - b.after[j]) <= scale + 2e-6f);
                if (scale > 0)
                    assert_int_equal(integer_at(&b, j), rounded(&b, b.after[j], (double)scale,
                                                                (double)bias, version, j));
                else
                    assert_int_equal(integer_at(&b, j), 0);
            }
            bench_free(&b);
        }
}

/* A row whose scale is 0 is its minimum everywhere; it stays so until it moves, and becomes so when
   all its values meet. */
static void test_constant(void **state)
{
    (void)state;
    for (size_t f = 4; f < COUNT(forms); f++) {
        struct random r = {64};
        struct bench b;
        float value[6];

        bench_make(&b, forms[f].method, forms[f].settings, 6);
        integers_fill(&b, &r); /* integers that do not matter */
        qparams(&b)[0] = 0;
        qparams(&b)[1] = 3.25f;
        unit_load(&b.p, b.tensor, b.row, b.before);
        for (uint32_t j = 0; j < 6; j++)
            assert_true((b.after[j] = b.before[j]) == 3.25f);
        bench_step(&b, 1);
        assert_int_equal(b.patch.count, 1);
        unit_load(&b.p, b.tensor, b.row, value);
        assert_memory_equal(value, b.before, sizeof value);

        b.after[4] = 4.25f;
        bench_step(&b, 2);
        assert_int_equal(b.patch.count, 2);
        unit_load(&b.p, b.tensor, b.row, value);
        for (uint32_t j = 0; j < 6; j++)
            assert_true(fabsf(value[j] - (j == 4 ? 4.25f : 3.25f)) < 1e-4f);

        memcpy(b.before, value, sizeof value);
        for (uint32_t j = 0; j < 6; j++)
            b.after[j] = -7.5f;
        bench_step(&b, 3);
        assert_int_equal(b.patch.count, 2);
        assert_int_equal(b.patch.saturated, 0);
        assert_true(qparams(&b)[0] == 0 && qparams(&b)[1] == -7.5f);
        unit_load(&b.p, b.tensor, b.row, value);
        for (uint32_t j = 0; j < 6; j++)
            assert_true(value[j] == -7.5f && integer_at(&b, j) == 0);
        bench_free(&b);
    }
}

/* Whatever finite values a row is to have, and whatever it was, its lookups stay finite. */
static void test_extremes(void **state)
{
    struct random r = {65};
    uint64_t beyond = 0;

    (void)state;
    for (size_t f = 0; f < COUNT(forms); f++)
        for (unsigned turn = 0; turn < 3000; turn++) {
            uint64_t want = 0;
            struct bench b;
            float value[7], scale, bias;

            bench_make(&b, forms[f].method, forms[f].settings, 7);
            grid(&b, &scale, &bias);
            if (each_row(&b) && turn % 3 == 0) { /* as a file may have it: lookups overflow */
                qparams(&b)[0] = fabsf(3e38f * random_normal(&r) / 4);
                qparams(&b)[1] = 3e38f * random_normal(&r) / 4;
            }
            integers_fill(&b, &r);
            for (uint32_t j = 0; j < 7; j++) {
                float x = random_any_float(&r);

                if (isfinite(x) && random_below(&r, 5))
                    b.after[j] = x;
            }
            bench_step(&b, turn);
            unit_load(&b.p, b.tensor, b.row, value);
            for (uint32_t j = 0; j < 7; j++)
                want += fabsf(b.after[j]) > 0x1p126f;
            if (b.patch.count == 2) {
                assert_int_equal(b.patch.saturated, want);
                for (uint32_t j = 0; j < 7; j++)
                    assert_true(isfinite(value[j]) && fabsf(value[j]) <= 0x1.0001p126f);
            }
            beyond += b.patch.saturated;
            bench_free(&b);
        }
    assert_true(beyond > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inside),   cmocka_unit_test(test_unbiased),
        cmocka_unit_test(test_clip),     cmocka_unit_test(test_widen),
        cmocka_unit_test(test_constant), cmocka_unit_test(test_extremes),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
