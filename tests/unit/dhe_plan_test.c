/* SPDX-License-Identifier: Apache-2.0 */
/* What dhe makes of a budget: the authors' worked widths, one table, fields that share a shape. */
#include "methods/dhe.h"

#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct method *dhe(void)
{
    return method_find("dhe", 3);
}

static double words_of(uint32_t dim, int64_t width)
{
    struct plan plan = {.method = dhe(), .dim = dim};

    plan.value[DHE_K].i = 1024;
    plan.value[DHE_WIDTH].i = width;
    return dhe()->author_words(&plan);
}

static const uint64_t criteo[] = {1460,  583,  10131227, 2202608, 305, 24,     12517,   633,   3,
                                  93145, 5683, 8351593,  3194,    27,  14992,  5461306, 10,    5652,
                                  2173,  4,    7046547,  18,      15,  286181, 105,     142572};

/* The widest network within a ratio, as the authors count; for fields, each the less of both. */
static int64_t authors_width(double ratio, bool fields)
{
    double rows = fields ? 33762577 : 1e6;
    int64_t width = 0;

    for (;; width++) {
        double words = words_of(16, width + 1), total = words;

        for (size_t f = 0; fields && f < COUNT(criteo); f++)
            total = (f ? total : 0) + fmin(words, (double)criteo[f] * 16);
        if (total > ratio * rows * 16)
            return width;
    }
}

static void test_author_words(void **state)
{
    (void)state;
    assert_int_equal(authors_width(0.5, false), 1288);
    assert_int_equal(authors_width(0.1, false), 514);
    assert_int_equal(authors_width(0.01, false), 107);
    assert_int_equal(authors_width(0.5, true), 3626);
    assert_int_equal(authors_width(0.1, true), 1372);
    assert_int_equal(authors_width(0.01, true), 271);
    assert_int_equal(authors_width(0.001, true), 29);
}

/* One k and width for all fields, the largest within the budget; small fields stay full. */
static void test_share(void **state)
{
    static const double ratios[] = {0.5, 0.1, 0.01, 0.001, 0.0001};
    uint64_t first[COUNT(criteo) + 1] = {0};
    struct fields fields = {.first = first, .count = COUNT(criteo)};
    struct error e;

    (void)state;
    for (size_t f = 0; f < COUNT(criteo); f++)
        first[f + 1] = first[f] + criteo[f];
    for (size_t i = 0; i < COUNT(ratios); i++) {
        uint64_t rows = first[COUNT(criteo)], bytes, own, wider = 0;
        int64_t k = 0, width = 0;
        struct layout l;

        assert_ok(layout_open(&l, dhe(), rows, 16, &fields,
                              (uint64_t)(ratios[i] * (double)rows * 64), NULL, &e),
                  e);
        assert_ok(layout_make(&l, &e), e);
        assert_ok(layout_bytes(&l, &bytes, &e), e);
        assert_true(bytes <= l.budget);
        for (size_t f = 0; f < l.part_count; f++) {
            if (l.part[f].method != dhe())
                continue;
            if (!width) {
                k = l.part[f].value[DHE_K].i;
                width = l.part[f].value[DHE_WIDTH].i;
            }
            assert_int_equal(l.part[f].value[DHE_K].i, k);
            assert_int_equal(l.part[f].value[DHE_WIDTH].i, width);
        }
        assert_true(width > 0);
        for (size_t f = 0; f < l.part_count; f++) { /* a column more would be too much */
            struct plan plan;
            char settings[60];

            snprintf(settings, sizeof settings, "k=%lld width=%lld", (long long)k,
                     (long long)width + 1);
            kit_plan(&plan, dhe(), criteo[f], 16, 0, settings);
            assert_ok(plan_make(&plan, &e), e);
            assert_ok(plan_bytes(&plan, &own, &e), e);
            wider += own < criteo[f] * 64 ? own : criteo[f] * 64;
            plan_done(&plan);
        }
        assert_true(wider > l.budget);
        layout_done(&l);
    }
    for (uint64_t budget = 1; budget < 10000; budget += 500) { /* hardly anything */
        struct layout l;
        uint64_t bytes;

        assert_ok(layout_open(&l, dhe(), first[COUNT(criteo)], 16, &fields, budget, NULL, &e), e);
        if (layout_make(&l, &e) == ST_OK) {
            assert_ok(layout_bytes(&l, &bytes, &e), e);
            assert_true(bytes <= budget);
            assert_true(budget > 3000);
        } else {
            assert_non_null(strstr(e.text, "dhe needs at least"));
            assert_true(budget < 9000);
        }
        layout_done(&l);
    }
}

static void test_plan(void **state)
{
    static const struct {
        const char *settings;
        uint64_t rows, budget;
        int64_t k, width;
    } rows[] = {
        /* 24 k + 4 (k w + 25 w + 4 w^2 + 16 (w + 1)) bytes */
        {"", 1000000, 32000000, 1024, 1286},   {"", 1000000, 640000, 1024, 103},
        {"", 1000000, 200000, 512, 59}, /* 1024 would leave 36 */
        {"k=1024", 1000000, 200000, 1024, 36}, {"k=3", 1000000, 2000, 3, 6},
        {"width=10", 1000000, 20000, 256, 10}, /* the most that goes with it */
        {"", 1000000, 0, 1024, 874},           /* a quarter */
        {"", 1000000000000, 0, 1024, 1800},    {"", 10, 0, 1, 1},
        {"dist=normal", 10, 0, 2, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct plan plan;
        struct error e;

        kit_plan(&plan, dhe(), rows[i].rows, 16, rows[i].budget, rows[i].settings);
        assert_ok(plan_make(&plan, &e), e);
        if (plan.value[DHE_K].i != rows[i].k || plan.value[DHE_WIDTH].i != rows[i].width)
            fail_msg("%zu: k %lld, width %lld", i, (long long)plan.value[DHE_K].i,
                     (long long)plan.value[DHE_WIDTH].i);
        plan_done(&plan);
    }
}

static void test_plan_refuses(void **state)
{
    static const struct {
        const char *settings;
        uint64_t rows, budget;
        const char *words;
    } rows[] = {
        {"", 1000, 100, "dhe needs at least"},
        {"dist=normal k=5", 1000, 0, "k is 5"},
        {"m=3000000000 hash_arith=i32_floor", 1000, 0, "m must be below 2^31"},
        {"hash_arith=i32_trunc", (uint64_t)1 << 40, 0, "at most 2^31 rows"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct plan plan;
        struct error e;

        kit_plan(&plan, dhe(), rows[i].rows, 8, rows[i].budget, rows[i].settings);
        assert_fails(plan_make(&plan, &e), ST_INVALID, e, rows[i].words);
        plan_done(&plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_author_words),
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_plan),
        cmocka_unit_test(test_plan_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
