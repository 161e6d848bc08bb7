/* SPDX-License-Identifier: Apache-2.0 */
/* int8 and int16 beyond what all methods share: worked values, the loader's rules, rounding, the
   search for a scale, extremes. */
#include "fits/fit.h"

#include <float.h>

#include "kernels/kernels.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static void make(struct parameters *p, const char *method, uint64_t rows, uint32_t dim,
                 const char *settings)
{
    kit_parameters(p, method_find(method, strlen(method)), rows, dim, 0, settings);
}

/* The authors' default step: signed from -1.28 to 1.27, unsigned over the same range. */
static void test_worked_values(void **state)
{
    struct parameters p;
    struct error e;
    uint64_t id = 0;
    float out[3];

    (void)state;
    make(&p, "int8", 1, 3, "signed=true scale=0.01");
    memcpy(kit_tensor(&p, "q")->data, (int8_t[]){-128, 0, 127}, 3);
    assert_ok(parameters_check(&p, &e), e);
    p.method->rows(&p, &id, 1, out);
    assert_true(out[0] == -1.28f && out[1] == 0 && out[2] == 1.27f);
    kit_done(&p);
    make(&p, "int8", 1, 3, "signed=false scale=0.01");
    memcpy(kit_tensor(&p, "q")->data, (uint8_t[]){0, 128, 255}, 3);
    assert_ok(parameters_check(&p, &e), e);
    p.method->rows(&p, &id, 1, out);
    assert_true(out[0] == -1.28f && fabsf(out[1]) < 1e-7f && fabsf(out[2] - 1.27f) < 1e-6f);
    kit_done(&p);
}

static void test_check(void **state)
{
    static const struct {
        const char *settings;
        double scale, middle; /* put in afterwards */
        float row_scale;
        const char *words; /* NULL: accepted */
    } rows[] = {
        {"qparam=table", 0.5, 0, 0, NULL},
        {"qparam=table", 0, 0, 0, "scale must be above 0 and finite as float32, not 0"},
        {"qparam=table", -1, 0, 0, "not -1"},
        {"qparam=table", 1e-60, 0, 0, "not 1e-60"},
        {"qparam=table", 1e60, 0, 0, "not 1e+60"},
        {"qparam=table signed=false", 1e37, 0, 0, "begin outside float32"},
        {"qparam=table signed=true", 1, 1e39, 0, "begin outside float32"},
        {"qparam=row", 0, 0, 0, NULL},
        {"qparam=row", 0, 0, 3.5f, NULL},
        {"qparam=row", 0, 0, -1e-30f, "the scale of row 2 is -1e-30; it must not be negative"},
        {"qparam=row", 0, 0, NAN, "the scale of row 2"},
        {"qparam=row", 0, 1, 0, "middle goes with qparam=table only"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct parameters p;
        struct error e;

        make(&p, "int8", 4, 3, rows[i].settings);
        p.value[method_setting(p.method, "scale", 5)].r = rows[i].scale;
        p.value[method_setting(p.method, "middle", 6)].r = rows[i].middle;
        if (kit_setting(&p, "qparam")->i == 1)
            ((float *)kit_tensor(&p, "qparams")->data)[2 * 2] = rows[i].row_scale;
        if (rows[i].words)
            assert_fails(parameters_check(&p, &e), ST_INVALID, e, rows[i].words);
        else
            assert_ok(parameters_check(&p, &e), e);
        kit_done(&p);
    }
}

static void test_digit_agrees(void **state)
{
    const struct method *m = method_find("int16", 5);
    struct value value;
    struct error e;

    (void)state;
    assert_ok(setting_parse(&m->settings[0], "16", &value, &e), e);
    assert_fails(setting_parse(&m->settings[0], "8", &value, &e), ST_INVALID, e,
                 "digit must be 16, not 8");
}

/* Rows of any size come back within half a step of their own. */
static void test_rows_are_rounded_to_nearest(void **state)
{
    static const char *const names[] = {"int8", "int16"};
    static const char *const settings[] = {"qparam=row signed=false", "qparam=row signed=true"};
    struct random r = {41};

    (void)state;
    for (int turn = 0; turn < 4; turn++) {
        double top = turn / 2 ? 65535 : 255;
        struct fit_error error;
        struct parameters p;
        struct kit_table t;
        float out[12];

        kit_table_init(&t, 60, 12);
        kit_table_random(&t, &r, false);
        for (size_t i = 0; i < 60 * 12; i++)
            t.data[i] = ldexpf(t.data[i], (int)(i / 12) - 30) + (i / 12 % 2 ? 1000.0f : 0);
        make(&p, names[turn / 2], 60, 12, settings[turn % 2]);
        kit_fit(&t, &p, &error);
        for (uint64_t id = 0; id < 60; id++) {
            float min = INFINITY, max = -INFINITY;

            p.method->rows(&p, &id, 1, out);
            for (size_t j = 0; j < 12; j++) {
                min = fminf(min, t.data[id * 12 + j]);
                max = fmaxf(max, t.data[id * 12 + j]);
            }
            for (size_t j = 0; j < 12; j++) { /* half a step, and float32's own rounding */
                double limit = ((double)max - min) / top / 2 * 1.0001 +
                               4 * FLT_EPSILON * fmax(fabs(min), fabs(max));

                if (fabs((double)out[j] - t.data[id * 12 + j]) > limit)
                    fail_msg("%s %s: row %llu, %g for %g", names[turn / 2], settings[turn % 2],
                             (unsigned long long)id, (double)out[j], (double)t.data[id * 12 + j]);
            }
        }
        kit_done(&p);
        kit_table_done(&t);
    }
}

static void test_constant_rows(void **state)
{
    static const char *const settings[] = {"qparam=row signed=false", "qparam=row signed=true"};
    static const float values[] = {0, -3.75f, 1e-45f, FLT_MAX};

    (void)state;
    for (size_t s = 0; s < COUNT(settings); s++) {
        struct fit_error error;
        struct parameters p;
        struct kit_table t;
        const float *qparams;

        kit_table_init(&t, COUNT(values), 5);
        for (size_t i = 0; i < COUNT(values) * 5; i++)
            t.data[i] = values[i / 5];
        make(&p, "int8", COUNT(values), 5, settings[s]);
        kit_fit(&t, &p, &error);
        assert_true(error.relative == 0);
        qparams = kit_tensor(&p, "qparams")->data;
        for (size_t i = 0; i < COUNT(values); i++)
            assert_true(qparams[2 * i] == 0 && qparams[2 * i + 1] == values[i]);
        for (size_t i = 0; i < COUNT(values) * 5; i++)
            assert_int_equal(((uint8_t *)kit_tensor(&p, "q")->data)[i], 0);
        kit_done(&p);
        kit_table_done(&t);
    }
}

/* Weighted squared error of the table under one scale. */
static double error_at(const struct kit_table *t, double scale, double half)
{
    double sum = 0;

    for (uint64_t i = 0; i < t->fit.rows * t->fit.dim; i++) {
        double x = t->data[i], q = rint(x / scale);

        q = q < -half ? -half : q > half - 1 ? half - 1 : q;
        sum += (double)fit_weight(&t->fit, i / t->fit.dim) * (x - q * scale) * (x - q * scale);
    }
    return sum;
}

static void test_scale_is_searched(void **state)
{
    static const struct {
        const char *method;
        float outlier;
        double half;
        bool clips; /* a smaller scale than the one that reaches the largest value */
    } rows[] = {{"int8", 1, 128, false}, {"int8", 10, 128, true}, {"int16", 1, 32768, false}};
    struct random r = {42};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (int weights = 0; weights < 2; weights++) {
            double scale, largest = 0;
            struct fit_error error;
            struct parameters p;
            struct kit_table t;

            kit_table_init(&t, 3000, 30); /* two blocks */
            kit_table_random(&t, &r, weights);
            t.data[100 * 30] = rows[i].outlier;
            t.weight[100] = 1;
            make(&p, rows[i].method, 3000, 30, "qparam=table");
            assert_true(kit_setting(&p, "scale")->r == 0); /* left to the fit */
            kit_fit(&t, &p, &error);
            scale = kit_setting(&p, "scale")->r;
            for (size_t j = 0; j < 3000 * 30; j++)
                largest = fmax(largest, fabs((double)t.data[j]));
            assert_true(scale <= largest / rows[i].half * (1 + 1e-6));
            assert_true(scale >= largest / rows[i].half / 8 * (1 - 1e-6));
            assert_true(scale == (double)(float)scale);
            if (rows[i].clips)
                assert_true(scale < largest / rows[i].half / 1.2);
            for (double s = largest / rows[i].half; s >= largest / rows[i].half / 8; s /= 1.1)
                assert_true(error_at(&t, scale, rows[i].half) <=
                            error_at(&t, s, rows[i].half) * 1.03); /* the grid's own steps */
            kit_done(&p);
            kit_table_done(&t);
        }
}

/* What does not fit a given scale is cut at the ends, in both forms. */
static void test_given_scale_saturates(void **state)
{
    static const char *const settings[] = {"qparam=table signed=true scale=0.5 middle=1",
                                           "qparam=table signed=false scale=0.5 middle=1"};

    (void)state;
    for (size_t s = 0; s < COUNT(settings); s++) {
        static const float in[] = {1e30f, -1e30f, 1, 1.25f, 1.75f, 64.5f, -63, 0.9f};
        static const float want[] = {64.5f, -63, 1, 1, 2, 64.5f, -63, 1};
        struct fit_error error;
        struct parameters p;
        struct kit_table t;
        uint64_t id = 0;
        float out[8];

        kit_table_init(&t, 1, 8);
        memcpy(t.data, in, sizeof in);
        make(&p, "int8", 1, 8, settings[s]);
        kit_fit(&t, &p, &error);
        assert_true(kit_setting(&p, "scale")->r == 0.5);
        p.method->rows(&p, &id, 1, out);
        assert_memory_equal(out, want, sizeof want);
        kit_done(&p);
        kit_table_done(&t);
    }
}

static void test_extremes(void **state)
{
    static const struct {
        const char *settings;
        float low, high;
        const char *words; /* NULL: fits, and comes back finite */
    } rows[] = {
        {"qparam=table", 0, 0, NULL},
        {"qparam=table", -1e-45f, 1e-45f, NULL},
        {"qparam=table", -1e-37f, 1e-37f, NULL},
        {"qparam=table signed=false", -0x1p126f, 0x1p126f, NULL},
        {"qparam=table", -FLT_MAX, 1, "too far for int8"},
        {"qparam=table middle=1e300", 0, 1, "too far for int8"},
        {"qparam=row", -1e-45f, 1e-45f, NULL},
        {"qparam=row", -0x1p126f, 0x1p126f, NULL},
        {"qparam=row", 0x1p127f, FLT_MAX, NULL},
        {"qparam=row signed=true", 0x1p127f, FLT_MAX, NULL},
        {"qparam=row", -FLT_MAX, FLT_MAX, "row 1 reaches from -3.40282e+38 to 3.40282e+38"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t id[] = {0, 1};
        struct parameters p;
        struct kit_table t;
        struct error e;
        float out[6];

        kit_table_init(&t, 2, 3);
        t.data[3] = rows[i].low;
        t.data[4] = t.data[5] = rows[i].high;
        make(&p, "int8", 2, 3, rows[i].settings);
        if (rows[i].words) {
            assert_fails(fitter_find(p.method)->fit(&t.fit, &p, &e), ST_INVALID, e, rows[i].words);
        } else {
            assert_ok(fitter_find(p.method)->fit(&t.fit, &p, &e), e);
            assert_ok(parameters_check(&p, &e), e);
            p.method->rows(&p, id, 2, out);
            for (size_t j = 0; j < 6; j++)
                assert_true(fabs((double)out[j] - t.data[j]) <=
                            fmax(fabs((double)rows[i].low), fabs((double)rows[i].high)) / 100 +
                                0x1p-126);
        }
        kit_done(&p);
        kit_table_done(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worked_values),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_digit_agrees),
        cmocka_unit_test(test_rows_are_rounded_to_nearest),
        cmocka_unit_test(test_constant_rows),
        cmocka_unit_test(test_scale_is_searched),
        cmocka_unit_test(test_given_scale_saturates),
        cmocka_unit_test(test_extremes),
    };
    struct error e;

    if (kernels_init(NULL, &e) != ST_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
