/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes and ranks of tt: published numbers, and choices held against a plain search. */
#include "methods/tt.h"

#include "base/memory.h"
#include "base/text.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct method *tt(void)
{
    return method_find("tt", 2);
}

static void expect_list(const struct value *v, const int64_t *want, size_t n, const char *what)
{
    assert_int_equal(v->n, n);
    for (size_t i = 0; i < n; i++)
        if (v->list[i] != want[i])
            fail_msg("%s: number %zu is %lld, not %lld", what, i, (long long)v->list[i],
                     (long long)want[i]);
}

static void test_columns(void **state)
{
    static const struct {
        uint32_t dim;
        int64_t d[3];
    } rows[] = {
        {16, {2, 2, 4}},   {32, {2, 4, 4}},  {64, {4, 4, 4}},       {128, {4, 4, 8}},
        {768, {8, 8, 12}}, {100, {4, 5, 5}}, {300, {5, 6, 10}},     {8, {2, 2, 2}},
        {1, {1, 1, 1}},    {4, {1, 2, 2}},   {65536, {32, 32, 64}}, {12, {2, 2, 3}},
        {2, {1, 1, 2}},    {17, {2, 3, 3}},  {65521, {40, 40, 41}}, {34, {3, 3, 4}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct plan plan;
        struct error e;

        kit_plan(&plan, tt(), 1000, rows[i].dim, 0, "");
        assert_ok(plan_make(&plan, &e), e);
        expect_list(&plan.value[TT_D], rows[i].d, 3, "d");
        plan_done(&plan);
    }
}

/* Cubes and squares are met exactly, also where floating point is past its last digit. */
static void test_rows(void **state)
{
    static const struct {
        uint64_t rows;
        int64_t n[3];
    } rows[] = {
        {1000, {10, 10, 10}},
        {1001, {10, 10, 11}},
        {0, {1, 1, 1}},
        {1, {1, 1, 1}},
        {2, {1, 1, 2}},
        {125, {5, 5, 5}},
        {1000000, {100, 100, 100}},
        {210153, {59, 60, 60}},
        {341479, {70, 70, 70}},
        {(uint64_t)2097151 * 2097151 * 2097151, {2097151, 2097151, 2097151}},
        {INT64_MAX, {2097152, 2097152, 2097152}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct plan plan;
        struct error e;

        kit_plan(&plan, tt(), rows[i].rows, 16, 0, "");
        assert_ok(plan_make(&plan, &e), e);
        expect_list(&plan.value[TT_N], rows[i].n, 3, "n");
        plan_done(&plan);
    }
}

static void test_published_ranks(void **state)
{
    static const struct {
        uint64_t rows;
        uint32_t dim;
        double ratio;
        const char *settings;
        int64_t rank;
        double words; /* 0: not stated */
    } rows[] = {
        {1000, 16, 0.1, "", 7, 1400},   {1000, 16, 0.05, "", 5, 0},
        {1000000, 16, 0.5, "", 198, 0}, {1000000, 16, 0.1, "", 87, 0},
        {1000000, 16, 0.01, "", 26, 0}, {210153, 768, 0.1, "d=9,9,10 digit_order=big", 171, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        double words = rows[i].ratio * (double)rows[i].rows * rows[i].dim;
        int64_t want[] = {1, rows[i].rank, rows[i].rank, 1};
        struct plan plan;
        struct error e;

        kit_plan(&plan, tt(), rows[i].rows, rows[i].dim, (uint64_t)words * 4, rows[i].settings);
        assert_ok(plan_make(&plan, &e), e);
        expect_list(&plan.value[TT_R], want, 4, "r");
        if (rows[i].words > 0)
            assert_true(plan.method->author_words(&plan) == rows[i].words);
        plan_done(&plan);
    }
}

/* The fields of a click log share one rank; the small ones stay as they are. */
static void test_shared_rank(void **state)
{
    static const uint64_t sizes[] = {1460,  583,     10131227, 2202608, 305,     24,   12517,
                                     633,   3,       93145,    5683,    8351593, 3194, 27,
                                     14992, 5461306, 10,       5652,    2173,    4,    7046547,
                                     18,    15,      286181,   105,     142572};
    static const struct {
        double ratio;
        int64_t rank;
    } rows[] = {{0.5, 376}, {0.1, 157}, {0.01, 46}, {0.001, 13}};
    uint64_t first[COUNT(sizes) + 1] = {0};
    struct fields fields = {.first = first, .count = COUNT(sizes)};

    (void)state;
    for (size_t f = 0; f < COUNT(sizes); f++)
        first[f + 1] = first[f] + sizes[f];
    assert_int_equal(first[COUNT(sizes)], 33762577);
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t budget = (uint64_t)(rows[i].ratio * 33762577 * 16) * 4, bytes;
        struct layout l;
        struct error e;

        assert_ok(layout_open(&l, tt(), 33762577, 16, &fields, budget, NULL, &e), e);
        assert_ok(layout_make(&l, &e), e);
        assert_int_equal(l.part[2].value[TT_R].list[1], rows[i].rank);
        assert_int_equal(l.part[20].value[TT_R].list[2], rows[i].rank);
        assert_string_equal(l.part[8].method->name, "full");
        assert_ok(layout_bytes(&l, &bytes, &e), e);
        assert_true(bytes <= budget);
        layout_done(&l);
    }
}

static void test_share_refuses(void **state)
{
    static const uint64_t first[] = {0, 0, 5000, 5003, 10003};
    struct fields fields = {.first = first, .count = 4};
    struct value chosen[METHOD_SETTINGS_MAX] = {{0}};
    struct layout l;
    struct error e;
    uint64_t bytes;

    (void)state;
    /* d = [2, 2, 4], and n = [17, 17, 18] twice and [1, 2, 2]: 34 + 34 + 72 and 2 + 4 + 8 floats at
       rank 1. */
    assert_ok(layout_open(&l, tt(), 10003, 16, &fields, 4 * (2 * 140 + 14) - 1, NULL, &e), e);
    assert_fails(layout_make(&l, &e), ST_INVALID, e,
                 "tt needs at least 1.15 KiB for 10,003 x 16 in 4 fields; the budget is 1.15 KiB");
    layout_done(&l);
    assert_ok(layout_open(&l, tt(), 10003, 16, &fields, 4 * (2 * 140 + 14), NULL, &e), e);
    assert_ok(layout_make(&l, &e), e);
    assert_ok(layout_bytes(&l, &bytes, &e), e);
    assert_int_equal(bytes, 4 * (2 * 140 + 14));
    assert_string_equal(l.part[0].method->name, "full"); /* it has no rows */
    assert_string_equal(l.part[2].method->name, "tt");
    layout_done(&l);

    /* A rank that is set is not shared, and is held to the budget. */
    assert_ok(setting_parse(&tt()->settings[TT_R], "1,3,2,1", &chosen[TT_R], &e), e);
    assert_ok(layout_open(&l, tt(), 10003, 16, &fields, 4000, chosen, &e), e);
    assert_ok(layout_make(&l, &e), e);
    assert_int_equal(l.part[1].value[TT_R].list[1], 3);
    layout_done(&l);
    assert_ok(layout_open(&l, tt(), 10003, 16, &fields, 3500, chosen, &e), e);
    assert_fails(layout_make(&l, &e), ST_INVALID, e, "; the budget is 3.42 KiB");
    layout_done(&l);
    mem_free(chosen[TT_R].list);
}

/* The rank is the largest that fits, cut where a side has no more directions. */
static void test_choice_is_exact(void **state)
{
    struct random r = {81};

    (void)state;
    for (int turn = 0; turn < 2000; turn++) {
        uint64_t n = 1 + random_below(&r, 3000), budget = 1 + random_below(&r, 40000);
        uint32_t dim = 1 + (uint32_t)random_below(&r, 70);
        uint64_t best = 0, least = 0;
        struct tt_shape s = {.r = {1, 1, 1, 1}}, cut = s;
        struct plan plan;
        struct error e;
        enum status st;

        kit_plan(&plan, tt(), n, dim, 0, "r=1,1,1,1");
        assert_ok(plan_make(&plan, &e), e);
        for (unsigned t = 0; t < 3; t++) {
            cut.n[t] = s.n[t] = (uint64_t)plan.value[TT_N].list[t];
            cut.d[t] = s.d[t] = (uint64_t)plan.value[TT_D].list[t];
        }
        plan_done(&plan);
        assert_true(s.n[0] * s.n[1] * s.n[2] >= n && s.d[0] * s.d[1] * s.d[2] >= dim);
        least = 4 * tt_floats(&s);
        for (uint64_t rank = 1; rank <= 1000; rank++) {
            uint64_t r1 = rank < s.n[0] * s.d[0] ? rank : s.n[0] * s.d[0];
            uint64_t r2 = rank < s.n[2] * s.d[2] ? rank : s.n[2] * s.d[2];

            s.r[1] = r1;
            s.r[2] = r2 < r1 * s.n[1] * s.d[1] ? r2 : r1 * s.n[1] * s.d[1];
            if (4 * tt_floats(&s) > budget)
                break;
            best = rank;
            cut = s;
        }
        kit_plan(&plan, tt(), n, dim, budget, "");
        st = plan_make(&plan, &e);
        if (best) {
            assert_ok(st, e);
            assert_int_equal(plan.value[TT_R].list[1], cut.r[1]);
            assert_int_equal(plan.value[TT_R].list[2], cut.r[2]);
        } else {
            char need[32], said[64];

            snprintf(said, sizeof said, "tt needs at least %s for ", format_bytes(need, least));
            assert_fails(st, ST_INVALID, e, said);
        }
        plan_done(&plan);
    }
}

/* No budget: never larger than the table itself, if that can be. A budget beyond all need: a row
   still costs no more than it may. */
static void test_ends(void **state)
{
    struct plan plan;
    struct error e;
    uint64_t bytes;

    (void)state;
    kit_plan(&plan, tt(), 1000000, 64, 0, "");
    assert_ok(plan_make(&plan, &e), e);
    assert_int_equal(plan.value[TT_R].list[1], 32);
    plan_done(&plan);
    kit_plan(&plan, tt(), 100, 16, 0, "");
    assert_ok(plan_make(&plan, &e), e);
    assert_ok(plan_bytes(&plan, &bytes, &e), e);
    assert_true(bytes < 100 * 64);
    plan_done(&plan);
    kit_plan(&plan, tt(), 1000000000, 65536, (uint64_t)1 << 60, "");
    assert_ok(plan_make(&plan, &e), e);
    assert_int_equal(plan.value[TT_R].list[1], 992); /* 1024 (r^2 + 64 r) <= 2^30 */
    plan_done(&plan);
    kit_plan(&plan, tt(), 1000, 16, 1600 * 4, "r=1,8,8,1");
    assert_fails(plan_make(&plan, &e), ST_INVALID, e,
                 "tt needs 6.88 KiB for 1,000 x 16 with these settings; the budget is 6.25 KiB");
    plan_done(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_published_ranks),
        cmocka_unit_test(test_shared_rank),
        cmocka_unit_test(test_share_refuses),
        cmocka_unit_test(test_choice_is_exact),
        cmocka_unit_test(test_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
