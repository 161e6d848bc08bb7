/* SPDX-License-Identifier: Apache-2.0 */
/* The registry; settings read, checked, completed. */
#include "fits/fit.h"

#include <math.h>

#include "base/memory.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

enum { PARTS, MODE, SCALE, SIGNED, DIMS, NOTE, STEP };

static const struct setting settings[] = {
    [PARTS] = {"parts", SETTING_INT, .min = 1, .max = 64, .help = "how many"},
    [MODE] = {"mode", SETTING_CHOICE, .choices = "fixed free", .fallback = "free", .help = "mode"},
    [SCALE] = {"scale", SETTING_REAL, .when = "mode=fixed", .help = "the step"},
    [SIGNED] = {"signed", SETTING_BOOL, .fallback = "false", .help = "sign"},
    [DIMS] = {"dims", SETTING_INTS, .min = 1, .max = 9, .optional = true, .help = "widths"},
    [NOTE] = {"any", SETTING_INT, .optional = true, .help = "unbounded"},
    [STEP] = {"step", SETTING_INT, .min = 0, .max = INT64_MAX, .fallback = "3",
              .when = "signed=true", .help = "step"},
};
static const struct tensor_decl tensors[] = {
    {"q", DT(U8), "N D", .when = "signed=false", .help = ""},
    {"q", DT(I8), "N D", .when = "signed=true", .help = ""},
    {"w", DT(F32), "N", .help = ""},
};
static const struct method method = {
    .name = "test",
    .settings = settings,
    .settings_count = COUNT(settings),
    .tensors = tensors,
    .tensors_count = COUNT(tensors),
};

static void test_registry(void **state)
{
    static const char *const names[] = {"full", "fp16", "bf16", "int8", "int16", "hash", "compo"};

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        const struct method *m = method_find(names[i], strlen(names[i]));

        assert_non_null(m);
        assert_string_equal(m->name, names[i]);
    }
    assert_null(method_find("fullest", 7));
    assert_null(method_find("ful", 3));
    assert_null(method_find("", 0));
    assert_ptr_equal(method_find("hash,", 4), method_find("hash", 4));
}

/* What the other layers count on in every declaration. */
static void test_declarations(void **state)
{
    (void)state;
    for (const struct method *const *m = methods; *m; m++) {
        assert_true((*m)->settings_count <= METHOD_SETTINGS_MAX);
        assert_true((*m)->tensors_count > 0 && (*m)->tensors_count <= METHOD_TENSORS_MAX);
        assert_non_null((*m)->title);
        assert_non_null((*m)->source);
        assert_non_null((*m)->rows);
        assert_non_null(fitter_find(*m)->fit);
        for (size_t i = 0; i < (*m)->settings_count; i++) {
            const struct setting *s = &(*m)->settings[i];
            struct value value = {0};
            struct error e;

            assert_non_null(s->help);
            assert_int_equal(method_setting(*m, s->name, strlen(s->name)), i);
            assert_true((s->type == SETTING_CHOICE) == (s->choices != NULL));
            if (s->fallback)
                assert_ok(setting_parse(s, s->fallback, &value, &e), e);
            if (s->when) /* names an earlier setting */
                assert_in_range(method_setting(*m, s->when, strcspn(s->when, "=")), 0, i - 1);
            mem_free(value.list);
        }
        for (size_t i = 0; i < (*m)->tensors_count; i++) {
            const struct tensor_decl *d = &(*m)->tensors[i];

            assert_non_null(d->help);
            assert_true(d->dtypes > 0 && d->dtypes < 1u << DT_COUNT);
            if (d->when)
                assert_true(method_setting(*m, d->when, strcspn(d->when, "=")) >= 0);
        }
    }
}

static void test_parse(void **state)
{
    static const struct {
        int setting;
        const char *text;
        const char *words; /* NULL: fine */
        int64_t i;
        double r;
    } rows[] = {
        {PARTS, "12", NULL, 12, 0},
        {PARTS, "0", "parts must be from 1 to 64, not 0", 0, 0},
        {PARTS, "65", "not 65", 0, 0},
        {PARTS, "1.5", "parts is an integer, and \"1.5\" is none", 0, 0},
        {PARTS, "", "is an integer", 0, 0},
        {PARTS, "9223372036854775808", "is an integer", 0, 0},
        {NOTE, "-9223372036854775808", NULL, INT64_MIN, 0},
        {STEP, "-1", "step must be at least 0, not -1", 0, 0},
        {SCALE, "0.25", NULL, 0, 0.25},
        {SCALE, "-3e-2", NULL, 0, -0.03},
        {SCALE, "inf", "scale is a number, and \"inf\" is none", 0, 0},
        {SCALE, "1e999", "scale is a number", 0, 0},
        {SIGNED, "true", NULL, 1, 0},
        {SIGNED, "false", NULL, 0, 0},
        {SIGNED, "maybe", "signed is true or false, not \"maybe\"", 0, 0},
        {MODE, "fixed", NULL, 0, 0},
        {MODE, "free", NULL, 1, 0},
        {MODE, "fre", "mode is one of fixed free, not \"fre\"", 0, 0},
        {MODE, "fixed free", "mode is one of", 0, 0},
        {MODE, "", "mode is one of", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct setting *s = &settings[rows[i].setting];
        struct value value = {.i = 77};
        struct error e;

        if (rows[i].words) {
            assert_fails(setting_parse(s, rows[i].text, &value, &e), ST_INVALID, e, rows[i].words);
            assert_true(!value.set && value.i == 77);
            continue;
        }
        assert_ok(setting_parse(s, rows[i].text, &value, &e), e);
        assert_true(value.set);
        assert_int_equal(value.i, rows[i].i);
        assert_true(value.r == rows[i].r);
    }
}

static void test_parse_lists(void **state)
{
    struct value value = {0};
    struct error e;

    (void)state;
    assert_ok(setting_parse(&settings[DIMS], "3,1,9", &value, &e), e);
    assert_int_equal(value.n, 3);
    assert_true(value.list[0] == 3 && value.list[1] == 1 && value.list[2] == 9);
    mem_free(value.list);
    assert_ok(setting_parse(&settings[DIMS], "", &value, &e), e);
    assert_true(value.set && value.n == 0);
    mem_free(value.list);
    assert_fails(setting_parse(&settings[DIMS], "3,,9", &value, &e), ST_INVALID, e, "\"\" is none");
    assert_fails(setting_parse(&settings[DIMS], "3,", &value, &e), ST_INVALID, e, "\"\" is none");
    assert_fails(setting_parse(&settings[DIMS], "3,x", &value, &e), ST_INVALID, e, "\"x\" is none");
    assert_fails(setting_parse(&settings[DIMS], "3,10", &value, &e), ST_INVALID, e,
                 "dims must be from 1 to 9, not 10");
#ifdef EMBD_DEVELOPER
    mem_fail_at(1, false);
    assert_fails(setting_parse(&settings[DIMS], "3", &value, &e), ST_EXHAUSTED, e, "dims");
    mem_fail_at(0, false);
#endif
}

static void test_check_reals(void **state)
{
    struct value value = {.set = true, .r = NAN};
    struct error e;

    (void)state;
    assert_fails(setting_check(&settings[SCALE], &value, &e), ST_INVALID, e, "must be finite");
    value.r = -INFINITY;
    assert_fails(setting_check(&settings[SCALE], &value, &e), ST_INVALID, e, "must be finite");
    value.r = -1;
    assert_ok(setting_check(&settings[SCALE], &value, &e), e);
}

static void test_complete(void **state)
{
    struct value value[METHOD_SETTINGS_MAX] = {0};
    struct error e;

    (void)state;
    assert_fails(settings_complete(&method, value, &e), ST_INVALID, e,
                 "parts is missing (how many)");
    memset(value, 0, sizeof value);
    value[PARTS] = (struct value){.set = true, .i = 2};
    assert_ok(settings_complete(&method, value, &e), e);
    assert_true(value[MODE].set && value[MODE].i == 1);
    assert_true(value[SIGNED].set && value[SIGNED].i == 0);
    assert_false(value[DIMS].set);
    assert_false(value[STEP].set); /* its condition does not hold, so no fallback either */

    value[SIGNED].i = 1;
    assert_ok(settings_complete(&method, value, &e), e);
    assert_true(value[STEP].set && value[STEP].i == 3);
    value[SIGNED].i = 0;
    assert_fails(settings_complete(&method, value, &e), ST_INVALID, e,
                 "step goes with signed=true only");
    value[STEP].set = false;
    value[MODE].i = 0;
    assert_fails(settings_complete(&method, value, &e), ST_INVALID, e,
                 "scale is missing (the step)");
}

static void test_conditions(void **state)
{
    struct value value[METHOD_SETTINGS_MAX] = {0};

    (void)state;
    assert_true(condition_holds(&method, value, NULL));
    assert_false(condition_holds(&method, value, "mode=fixed")); /* not set yet */
    assert_int_equal(method_tensor(&method, value, "q", 1), -1);
    value[MODE] = (struct value){.set = true, .i = 0};
    assert_true(condition_holds(&method, value, "mode=fixed"));
    assert_false(condition_holds(&method, value, "mode=free"));
    value[SIGNED] = (struct value){.set = true, .i = 1};
    assert_true(condition_holds(&method, value, "signed=true"));
    assert_false(condition_holds(&method, value, "signed=false"));
    assert_int_equal(method_tensor(&method, value, "q", 1), 1);
    value[SIGNED].i = 0;
    assert_int_equal(method_tensor(&method, value, "q", 1), 0);
    assert_int_equal(method_tensor(&method, value, "w", 1), 2);
    assert_int_equal(method_tensor(&method, value, "qw", 2), -1);
}

/* What is written reads back to the same value. */
static void test_format(void **state)
{
    static const struct {
        int setting;
        const char *text;
    } cases[] = {
        {PARTS, "64"},      {NOTE, "-9223372036854775808"},
        {MODE, "fixed"},    {MODE, "free"},
        {SCALE, "0.0125"},  {SCALE, "0.30000000000000004"},
        {SCALE, "-1e+300"}, {SIGNED, "true"},
        {SIGNED, "false"},  {DIMS, "1,9,2"},
        {DIMS, ""},
    };
    struct value list = {.set = true, .n = 40};
    int64_t numbers[40];
    char text[80];

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct setting *s = &settings[cases[i].setting];
        struct value value;
        struct error e;

        assert_ok(setting_parse(s, cases[i].text, &value, &e), e);
        assert_string_equal(setting_format(text, sizeof text, s, &value), cases[i].text);
        mem_free(value.list);
    }
    for (int i = 0; i < 40; i++)
        numbers[i] = i % 9 + 1;
    list.list = numbers;
    setting_format(text, sizeof text, &settings[DIMS], &list);
    assert_true(strlen(text) < sizeof text && strncmp(text, "1,2,3,4,5,", 10) == 0);
    assert_string_equal(text + strlen(text) - strlen("…"), "…");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_registry),    cmocka_unit_test(test_declarations),
        cmocka_unit_test(test_parse),       cmocka_unit_test(test_parse_lists),
        cmocka_unit_test(test_check_reals), cmocka_unit_test(test_complete),
        cmocka_unit_test(test_conditions),  cmocka_unit_test(test_format),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
