/* SPDX-License-Identifier: Apache-2.0 */
/* Declared shapes: evaluated, matched, bound; types of elements. */
#include "methods/method.h"

#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct setting settings[] = {
    {"parts", SETTING_INT, .optional = true},
    {"scale", SETTING_REAL, .optional = true},
};
static const struct method method = {
    .name = "test", .settings = settings, .settings_count = COUNT(settings)};

/* N = 1000, D = 64, parts = 4, and K = 256 by name. */
static void symbols_make(struct symbols *s)
{
    const struct value value[] = {{.set = true, .i = 4}, {.set = true, .r = 9}};
    struct error e;

    symbols_init(s, &method, 1000, 64, value);
    assert_ok(symbols_set(s, "K", 1, 256, &e), e);
}

static void test_symbols(void **state)
{
    struct symbols s;
    struct error e;
    uint64_t size = 0;

    (void)state;
    symbols_make(&s);
    assert_true(symbols_get(&s, "N", 1, &size) && size == 1000);
    assert_true(symbols_get(&s, "D", 1, &size) && size == 64);
    assert_true(symbols_get(&s, "parts*", 5, &size) && size == 4);
    assert_false(symbols_get(&s, "scale", 5, &size)); /* not an integer */
    assert_false(symbols_get(&s, "part", 4, &size));
    assert_false(symbols_get(&s, "partsx", 6, &size));
    assert_ok(symbols_set(&s, "K", 1, 7, &e), e);
    assert_true(symbols_get(&s, "K", 1, &size) && size == 7);
    assert_fails(symbols_set(&s, "sixteen_letters_", 16, 1, &e), ST_INTERNAL, e, "no room");
    for (int i = 0; s.count < SYMBOLS_MAX; i++) {
        char name[16];

        snprintf(name, sizeof name, "x%d", i);
        assert_ok(symbols_set(&s, name, strlen(name), 1, &e), e);
    }
    assert_fails(symbols_set(&s, "more", 4, 1, &e), ST_INTERNAL, e, "no room");
}

static void test_evaluate(void **state)
{
    static const struct {
        const char *shape;
        unsigned rank;
        uint64_t sizes[3];
        const char *words; /* NULL: fine */
    } rows[] = {
        {"N D", 2, {1000, 64}, NULL},
        {"", 0, {0}, NULL},
        {"D", 1, {64}, NULL},
        {"parts K D/parts", 3, {4, 256, 16}, NULL},
        {"N*2/parts 3*D", 2, {500, 192}, NULL},
        {"N/parts*K", 1, {64000}, NULL},
        {" N  2 ", 2, {1000, 2}, NULL},
        {"D/3", 0, {0}, "D/3 is not a size"},
        {"D/0", 0, {0}, "D/0 is not a size"},
        {"Q D", 0, {0}, "nothing says what Q is"},
        {"N*9223372036854775807", 0, {0}, "is not a size"},
        {"9223372036854775807 9", 0, {0}, "larger than memory"},
        {"9223372036854775807 2", 0, {0}, "larger than memory"},
    };
    struct symbols s;

    (void)state;
    symbols_make(&s);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tensor_decl d = {.name = "w", .dtypes = DT(F32), .shape = rows[i].shape};
        struct tensor t = {.dtype = DT_F32};
        enum status st;
        struct error e;
        size_t count = 1;

        st = shape_evaluate(&d, &s, &t, &e);
        if (rows[i].words) {
            assert_int_not_equal(st, ST_OK);
            if (!strstr(e.text, rows[i].words))
                fail_msg("%s: \"%s\"", rows[i].shape, e.text);
            assert_int_equal(t.rank, 0); /* untouched */
            continue;
        }
        assert_ok(st, e);
        assert_int_equal(t.rank, rows[i].rank);
        for (unsigned j = 0; j < t.rank; j++) {
            assert_int_equal(t.shape[j], rows[i].sizes[j]);
            count *= t.shape[j];
        }
        assert_int_equal(t.count, count);
        assert_int_equal(t.bytes, count * 4);
    }
}

static void test_match(void **state)
{
    static const struct {
        const char *declared;
        unsigned rank;
        uint64_t shape[4];
        const char *words; /* NULL: fits */
    } rows[] = {
        {"N D", 2, {1000, 64}, NULL},
        {"Q D", 2, {12, 64}, NULL},
        {"Q D", 2, {0, 64}, NULL},
        {"Q D", 2, {12, 63}, "has the shape [12, 63]; it must be [Q = 12, D = 64]"},
        {"N D", 1, {1000}, "has the shape [1000]; it must be [N = 1000, D = 64]"},
        {"N D", 3, {1000, 64, 1}, "has the shape [1000, 64, 1]; it must be [N = 1000, D = 64]"},
        {"N", 0, {0}, "has the shape []; it must be [N = 1000]"},
        {"", 0, {0}, NULL},
        {"", 1, {1}, "has the shape [1]; it must be []"},
        {"Q Q", 2, {5, 5}, NULL},
        {"Q Q", 2, {5, 6}, "has the shape [5, 6]; it must be [Q = 5, Q = 5]"},
        {"Q*2", 1, {5}, "another one that gives the sizes in Q*2"},
        {"D/3", 1, {21}, "D/3 is not a size"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tensor_decl d = {.name = "w", .dtypes = DT(F32), .shape = rows[i].declared};
        struct tensor t = {.name = "f1.w", .dtype = DT_F32, .rank = rows[i].rank};
        struct symbols s;
        struct error e;
        uint64_t size;

        symbols_make(&s);
        memcpy(t.shape, rows[i].shape, sizeof rows[i].shape);
        if (rows[i].words) {
            assert_fails(shape_match(&d, &s, &t, &e), ST_INVALID, e, rows[i].words);
            continue;
        }
        assert_ok(shape_match(&d, &s, &t, &e), e);
        if (rows[i].declared[0] == 'Q')
            assert_true(symbols_get(&s, "Q", 1, &size) && size == rows[i].shape[0]);
    }
}

/* A size that one tensor binds holds for the next. */
static void test_bound_sizes_agree(void **state)
{
    static const struct tensor_decl codes = {"codes", DT(U8), "N P", .help = ""};
    static const struct tensor_decl book = {"book", DT(F32), "P K D/P", .help = ""};
    struct tensor t = {.dtype = DT_U8, .rank = 2, .shape = {1000, 8}};
    struct tensor u = {.dtype = DT_F32, .rank = 3, .shape = {8, 256, 8}};
    struct symbols s;
    struct error e;

    (void)state;
    symbols_make(&s);
    assert_ok(shape_match(&codes, &s, &t, &e), e);
    assert_ok(shape_match(&book, &s, &u, &e), e);
    u.shape[0] = 4;
    assert_fails(shape_match(&book, &s, &u, &e), ST_INVALID, e, "[P = 8, K = 256, D/P = 8]");
}

static void test_dtypes(void **state)
{
    static const struct {
        const char *name;
        enum dtype dtype;
        size_t size;
    } rows[] = {
        {"BOOL", DT_BOOL, 1}, {"U8", DT_U8, 1},   {"I8", DT_I8, 1},     {"U16", DT_U16, 2},
        {"I16", DT_I16, 2},   {"F16", DT_F16, 2}, {"BF16", DT_BF16, 2}, {"U32", DT_U32, 4},
        {"I32", DT_I32, 4},   {"F32", DT_F32, 4}, {"U64", DT_U64, 8},   {"I64", DT_I64, 8},
        {"F64", DT_F64, 8},
    };

    (void)state;
    assert_int_equal(COUNT(rows), DT_COUNT);
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(dtype_parse(rows[i].name, strlen(rows[i].name)), rows[i].dtype);
        assert_string_equal(dtype_name(rows[i].dtype), rows[i].name);
        assert_int_equal(dtype_size(rows[i].dtype), rows[i].size);
    }
    assert_int_equal(dtype_parse("F8_E4M3", 7), -1);
    assert_int_equal(dtype_parse("f32", 3), -1);
    assert_int_equal(dtype_parse("F3", 2), -1);
    assert_int_equal(dtype_parse("", 0), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_symbols), cmocka_unit_test(test_evaluate),
        cmocka_unit_test(test_match),   cmocka_unit_test(test_bound_sizes_agree),
        cmocka_unit_test(test_dtypes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
