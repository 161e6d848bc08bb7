/* SPDX-License-Identifier: Apache-2.0 */
/* What plans choose, and how they refuse. */
#include "fits/fit.h"

#include "base/memory.h"
#include "base/text.h"
#include "tests/unit/method_kit.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static const struct method *find(const char *name)
{
    return method_find(name, strlen(name));
}

static uint64_t planned_size(const struct plan *plan, const char *name)
{
    uint64_t size = 0;

    assert_true(symbols_get(&plan->size, name, strlen(name), &size));
    return size;
}

/* Published numbers: 1000 ids at a tenth and a half, and the fields of a click log. */
static void test_compo_collisions(void **state)
{
    static const struct {
        uint64_t rows, budget_rows;
        int64_t collisions;
        uint64_t q_rows;
    } rows[] = {
        {1000, 100, 12, 84},
        {1000, 500, 3, 334},
        {1000, 502, 2, 500},
        {1000, 1001, 1, 1000},
        {1000, 64, 28, 36},
        {1, 2, 1, 1},
        {0, 1, 1, 0},
        {1000, 0, 32, 32},
        {1000000, 2000, 1000, 1000},
        {1000000, 2001, 969, 1032},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct plan plan;
        struct error e;

        kit_plan(&plan, find("compo"), rows[i].rows, 16, rows[i].budget_rows * 64, "");
        assert_ok(plan_make(&plan, &e), e);
        if (plan.value[0].i != rows[i].collisions || planned_size(&plan, "Q") != rows[i].q_rows)
            fail_msg("%llu ids in %llu rows: R = %lld, Q = %llu", (unsigned long long)rows[i].rows,
                     (unsigned long long)rows[i].budget_rows, (long long)plan.value[0].i,
                     (unsigned long long)planned_size(&plan, "Q"));
        plan_done(&plan);
    }
}

/* The choice is the smallest that fits, and a refusal names the least that would. */
static void test_compo_choice_is_exact(void **state)
{
    static const char *const settings[] = {"", "op=concat", "quotient=f32div"};
    struct random r = {21};

    (void)state;
    for (int turn = 0; turn < 3000; turn++) {
        const char *text = settings[turn % 3];
        uint64_t rows = 1 + random_below(&r, 2000), budget = 1 + random_below(&r, 2500 * 12);
        uint64_t least = UINT64_MAX, first = 0, a = turn % 3 == 1 ? 2 : 3,
                 b = turn % 3 == 1 ? 1 : 3;
        struct plan plan;
        struct error e;
        enum status st;

        for (uint64_t c = 1; c <= rows + 1; c++) {
            uint64_t bytes = 4 * ((rows - 1) / c + 1) * a + 4 * c * b;

            least = bytes < least ? bytes : least;
            first = !first && bytes <= budget ? c : first;
        }
        kit_plan(&plan, find("compo"), rows, 3, budget, text);
        st = plan_make(&plan, &e);
        if (first) {
            assert_ok(st, e);
            assert_int_equal(plan.value[0].i, first);
        } else {
            char need[32], said[64];

            snprintf(said, sizeof said, "compo needs at least %s for ", format_bytes(need, least));
            assert_fails(st, ST_INVALID, e, said);
        }
        plan_done(&plan);
    }
}

/* Numbers of ids beyond any table: the search stays short and the sums do not wrap. */
static void test_compo_huge(void **state)
{
    struct plan plan;
    struct error e;
    uint64_t bytes;

    (void)state;
    kit_plan(&plan, find("compo"), (uint64_t)1 << 40, 64, (uint64_t)1 << 33, "");
    assert_ok(plan_make(&plan, &e), e);
    assert_ok(plan_bytes(&plan, &bytes, &e), e);
    assert_true(bytes <= (uint64_t)1 << 33);
    plan_done(&plan);
    kit_plan(&plan, find("compo"), INT64_MAX, 65536, (uint64_t)1 << 40, "op=concat");
    assert_fails(plan_make(&plan, &e), ST_INVALID, e, "compo needs at least");
    kit_plan(&plan, find("compo"), (uint64_t)1 << 40, 64, 1, "");
    assert_fails(plan_make(&plan, &e), ST_INVALID, e,
                 "compo needs at least 512 MiB for 1,099,511,627,776 x 64");
    kit_plan(&plan, find("full"), INT64_MAX, 65536, 1, "");
    assert_fails(plan_make(&plan, &e), ST_EXHAUSTED, e, "larger than memory");
    kit_plan(&plan, find("int8"), (uint64_t)1 << 62, 1, 1, "");
    assert_fails(plan_make(&plan, &e), ST_EXHAUSTED, e, "larger than memory");
}

static void test_integer_choice(void **state)
{
    static const struct {
        uint64_t budget;
        const char *settings;
        bool row, has_sign;
        uint64_t bytes;
    } rows[] = {
        {0, "", true, false, 100 * 40},         {4000, "", true, false, 4000},
        {3999, "", false, true, 3200},          {3200, "", false, true, 3200},
        {0, "signed=true", true, true, 4000},   {3999, "signed=false", false, false, 3200},
        {0, "scale=0.5", false, true, 3200},    {0, "middle=1", false, true, 3200},
        {0, "qparam=table", false, true, 3200}, {4000, "digit=8 qparam=row", true, false, 4000},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct plan plan;
        struct error e;
        uint64_t bytes;

        kit_plan(&plan, find("int8"), 100, 32, rows[i].budget, rows[i].settings);
        assert_ok(plan_make(&plan, &e), e);
        assert_ok(plan_bytes(&plan, &bytes, &e), e);
        assert_int_equal(plan.value[0].i, 8);
        assert_int_equal(plan.value[1].i, rows[i].has_sign);
        assert_int_equal(plan.value[2].i, rows[i].row);
        assert_int_equal(bytes, rows[i].bytes);
        plan_done(&plan);
    }
}

static void test_refusals(void **state)
{
    static const struct {
        const char *method, *settings;
        uint64_t rows, budget;
        uint32_t dim;
        const char *words;
    } rows[] = {
        {"int8", "", 1000000, 1 << 20, 100,
         "int8 needs at least 95.4 MiB for 1,000,000 x 100; the budget is 1.00 MiB"},
        {"int8", "qparam=row", 100, 3999, 32,
         "int8 needs 3.91 KiB for 100 x 32 with these settings"},
        {"int8", "digit=8 qparam=row scale=1", 100, 0, 32, "scale goes with qparam=table only"},
        {"int8", "scale=-1", 100, 0, 32, "scale must be above 0"},
        {"int16", "", 100, 6399, 32, "int16 needs at least 6.25 KiB for 100 x 32"},
        {"full", "", 100, 12799, 32, "full needs at least 12.5 KiB for 100 x 32"},
        {"fp16", "", 100, 6399, 32, "fp16 needs at least 6.25 KiB"},
        {"hash", "", 100, 127, 32, "hash needs at least 128 B for 100 x 32; the budget is 127 B"},
        {"compo", "collisions=2", 1000, 100 * 64, 16,
         "compo needs 31.4 KiB for 1,000 x 16 with these settings; the budget is 6.25 KiB"},
        {"compo", "op=concat", 1000, 0, 1, "op=concat needs at least 2 columns"},
        {"full", "", 100, 0, 0, "the dimension must be from 1 to 65536, not 0"},
        {"full", "", 100, 0, 65537, "the dimension must be from 1 to 65536, not 65537"},
        {"hash", "", (uint64_t)INT64_MAX + 1, 4096, 1, "at most 2^63 - 1 rows"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct plan plan;
        struct error e;

        kit_plan(&plan, find(rows[i].method), rows[i].rows, rows[i].dim, rows[i].budget,
                 rows[i].settings);
        assert_fails(plan_make(&plan, &e), ST_INVALID, e, rows[i].words);
        plan_done(&plan);
    }
}

/* Lists belong to the plan and, copied, to the parameters. */
static void test_lists(void **state)
{
    static const struct setting settings[] = {
        {"dims", SETTING_INTS, .optional = true, .help = "widths"}};
    static const struct tensor_decl tensors[] = {
        {"w", DT(F32), "N D", .help = "rows"},
        {"extra", DT(U8), "N", .flags = TENSOR_OPTIONAL, .help = "left out of plans"}};
    static const struct method method = {.name = "test",
                                         .settings = settings,
                                         .settings_count = 1,
                                         .tensors = tensors,
                                         .tensors_count = 2};
    struct parameters p;
    struct plan plan;
    struct error e;

    (void)state;
    kit_plan(&plan, &method, 10, 4, 0, "dims=1,2,3");
    assert_ok(plan_make(&plan, &e), e);
#ifdef EMBD_DEVELOPER
    mem_fail_at(1, false);
    assert_fails(plan_parameters(&plan, &p, &e), ST_EXHAUSTED, e, "dims");
    mem_fail_at(0, false);
#endif
    assert_ok(plan_parameters(&plan, &p, &e), e);
    plan_done(&plan);
    assert_int_equal(p.value[0].n, 3);
    assert_int_equal(p.value[0].list[2], 3);
    assert_int_equal(parameters_bytes(&p), 160);
    assert_null(p.tensor[1].name);
    assert_int_equal(parameters_work(&p), 0);
    parameters_done(&p);
    assert_null(p.value[0].list);
    parameters_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compo_collisions), cmocka_unit_test(test_compo_choice_is_exact),
        cmocka_unit_test(test_compo_huge),       cmocka_unit_test(test_integer_choice),
        cmocka_unit_test(test_refusals),         cmocka_unit_test(test_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
