/* SPDX-License-Identifier: Apache-2.0 */
/* Plans of mgqe and dpq: what a budget is spent on, what is refused, fields, the authors' words. */
#include "tests/unit/codes_kit.h"

/* Field sizes of methods.md 10.4. */
static const uint64_t criteo[] = {1460,  583,  10131227, 2202608, 305, 24,     12517,   633,   3,
                                  93145, 5683, 8351593,  3194,    27,  14992,  5461306, 10,    5652,
                                  2173,  4,    7046547,  18,      15,  286181, 105,     142572};

static void make_plan(struct plan *plan, const char *method, uint64_t rows, uint32_t dim,
                      uint64_t budget, const char *settings)
{
    struct error e;

    kit_plan(plan, method_find(method, strlen(method)), rows, dim, budget, settings);
    assert_ok(plan_make(plan, &e), e);
}

static int64_t planned(const struct plan *plan, const char *name)
{
    return plan->value[method_setting(plan->method, name, strlen(name))].i;
}

/* A layout of Criteo's fields in 16 columns at this ratio has one choice for all fields that are
   not full, and keeps to its budget. Returns that choice's plan; the layout is yours. */
static const struct plan *share_criteo(struct layout *l, const char *method, double ratio)
{
    static uint64_t first[COUNT(criteo) + 1];
    const struct fields fields = {first, COUNT(criteo)};
    const struct plan *one = NULL;
    uint64_t bytes = 0, rows = 0;
    struct error e;

    for (size_t f = 0; f < COUNT(criteo); f++)
        first[f + 1] = rows += criteo[f];
    assert_ok(layout_open(l, method_find(method, strlen(method)), rows, 16, &fields,
                          (uint64_t)(ratio * 64 * (double)rows), NULL, &e),
              e);
    assert_ok(layout_make(l, &e), e);
    assert_ok(layout_bytes(l, &bytes, &e), e);
    assert_true(bytes <= l->budget);
    for (size_t f = 0; f < COUNT(criteo); f++) {
        const struct plan *part = &l->part[f];

        if (part->method != l->method) {
            assert_string_equal(part->method->name, "full");
            continue;
        }
        one = one ? one : part;
        for (size_t i = 0; i < part->method->settings_count; i++)
            assert_int_equal(part->value[i].i, one->value[i].i);
    }
    assert_non_null(one);
    return one;
}

static void test_mgqe_plan(void **state)
{
    static const struct {
        uint64_t rows;
        uint32_t dim;
        uint64_t budget;
        const char *settings;
        int64_t parts, k_high, k_low, packing;
    } rows[] = {
        {10000000, 16, 64000000, "", 8, 256, 64, CODES_BITS},
        {10000000, 16, 33000000, "", 4, 256, 64, CODES_BITS},
        {10000000, 16, 34000000, "", 8, 32, 8, CODES_BITS},
        {10000000, 16, 64000000, "packing=bytes", 4, 256, 64, CODES_BYTES},
        {100000, 100, 2000000, "", 25, 128, 32, CODES_BITS},
        {100000, 100, 0, "", 50, 256, 64, CODES_BYTES},
        {30, 100, 0, "", 50, 2, 1, CODES_BYTES},
        {100000, 100, 0, "k_low=300 packing=bits", 50, 512, 300, CODES_BITS},
        {100000, 100, 0, "k_high=10 parts=4", 4, 10, 2, CODES_BYTES},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct plan plan;

        make_plan(&plan, "mgqe", rows[i].rows, rows[i].dim, rows[i].budget, rows[i].settings);
        assert_int_equal(planned(&plan, "parts"), rows[i].parts);
        assert_int_equal(planned(&plan, "k_high"), rows[i].k_high);
        assert_int_equal(planned(&plan, "k_low"), rows[i].k_low);
        assert_int_equal(planned(&plan, "packing"), rows[i].packing);
        plan_done(&plan);
    }
}

static void test_mgqe_plan_refuses(void **state)
{
    struct plan plan;
    struct error e;

    (void)state;
    kit_plan(&plan, method_find("mgqe", 4), 1000, 16, 352, "");
    assert_fails(plan_make(&plan, &e), ST_INVALID, e, "mgqe needs at least 353 B");
    assert_int_equal(plan.need, 125 + 100 + 2 * 16 * 4); /* the map, a byte a high row, 2 vectors */
    plan_done(&plan);
    kit_plan(&plan, method_find("mgqe", 4), 1000, 16, 0, "k_high=5 k_low=5");
    assert_fails(plan_make(&plan, &e), ST_INVALID, e, "k_low must be below k_high");
    plan_done(&plan);
    kit_plan(&plan, method_find("mgqe", 4), 1000, 16, 0, "parts=3");
    assert_fails(plan_make(&plan, &e), ST_INVALID, e, "parts is 3, which does not divide 16");
    plan_done(&plan);
}

/* methods.md 6.4: a field that would not be smaller stays full. */
static void test_mgqe_author_words(void **state)
{
    static const struct {
        const char *settings;
        double ratio;
    } rows[] = {{"parts=8", 0.1595}, {"parts=4", 0.1111}, {"parts=2", 0.0869}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        double words = 0, full = 0;
        char settings[100];

        snprintf(settings, sizeof settings, "%s k_high=256 k_low=64", rows[i].settings);
        for (size_t f = 0; f < COUNT(criteo); f++) {
            struct plan plan;

            make_plan(&plan, "mgqe", criteo[f], 16, 0, settings);
            words += fmin(plan.method->author_words(&plan), (double)criteo[f] * 16);
            full += (double)criteo[f] * 16;
            plan_done(&plan);
        }
        if (!(fabs(words / full - rows[i].ratio) < 5e-5))
            fail_msg("%s: %.5f, not %.4f", rows[i].settings, words / full, rows[i].ratio);
    }
}

static void test_mgqe_fields_have_it_in_common(void **state)
{
    const struct plan *one;
    struct layout l;

    (void)state;
    one = share_criteo(&l, "mgqe", 0.1);
    assert_int_equal(planned(one, "parts"), 8);
    assert_int_equal(planned(one, "k_high"), 256);
    assert_int_equal(planned(one, "k_low"), 64);
    assert_string_equal(l.part[5].method->name, "full"); /* 24 rows are less than a codebook */
    layout_done(&l);
    one = share_criteo(&l, "mgqe", 0.02);
    assert_true(planned(one, "parts") < 8);
    layout_done(&l);
}

static void test_dpq_plan(void **state)
{
    static const struct {
        uint64_t rows;
        uint32_t dim;
        uint64_t budget;
        const char *settings;
        int64_t parts, k, packing;
    } rows[] = {
        {100000, 100, 4000000, "", 50, 64, CODES_BITS},
        {100000, 100, 2000000, "", 25, 64, CODES_BITS},
        {100000, 100, 2602400, "parts=25", 25, 256, CODES_BYTES},
        {100000, 100, 2602399, "parts=25 packing=bytes", 25, 255, CODES_BYTES},
        {100000, 16, 0, "", 8, 32, CODES_BYTES},
        {20, 6, 0, "", 6, 20, CODES_BYTES},
        {1000, 7, 100000, "k=5 packing=bits", 7, 5, CODES_BITS},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct plan plan;

        make_plan(&plan, "dpq", rows[i].rows, rows[i].dim, rows[i].budget, rows[i].settings);
        assert_int_equal(planned(&plan, "parts"), rows[i].parts);
        assert_int_equal(planned(&plan, "k"), rows[i].k);
        assert_int_equal(planned(&plan, "packing"), rows[i].packing);
        plan_done(&plan);
    }
}

static void test_dpq_plan_refuses(void **state)
{
    struct plan plan;
    struct error e;

    (void)state;
    kit_plan(&plan, method_find("dpq", 3), 1000, 16, 1127, "");
    assert_fails(plan_make(&plan, &e), ST_INVALID, e, "dpq needs at least 1.10 KiB");
    assert_int_equal(plan.need, 1000 + 2 * 16 * 4);
    plan_done(&plan);
    kit_plan(&plan, method_find("dpq", 3), 1000, 16, 0, "parts=5");
    assert_fails(plan_make(&plan, &e), ST_INVALID, e, "parts is 5, which does not divide 16");
    plan_done(&plan);
}

static void test_dpq_fields_have_it_in_common(void **state)
{
    const struct plan *one;
    struct layout l;
    struct error e;
    uint64_t bytes = 0;

    (void)state;
    one = share_criteo(&l, "dpq", 0.1);
    assert_int_equal(planned(one, "parts"), 8);
    assert_int_equal(planned(one, "k"), 64);
    layout_done(&l);
    one = share_criteo(&l, "dpq", 0.04);
    assert_ok(layout_bytes(&l, &bytes, &e), e);
    assert_true(bytes > l.budget / 5 * 3); /* and makes something of it */
    layout_done(&l);
}

static void test_dpq_fields_refuse(void **state)
{
    static const uint64_t first[] = {0, 1000, 1000, 1003};
    const struct fields fields = {first, 3};
    struct layout l;
    struct error e;

    (void)state;
    /* A byte a row and two vectors, nothing, and the same for three rows, which is less than full.
     */
    assert_ok(layout_open(&l, method_find("dpq", 3), 1003, 4, &fields, 1066, NULL, &e), e);
    assert_fails(layout_make(&l, &e), ST_INVALID, e, "dpq needs at least 1.04 KiB");
    assert_int_equal(l.need, 1000 + 2 * 16 + 3 + 2 * 16);
    layout_done(&l);
    assert_ok(layout_open(&l, method_find("dpq", 3), 1003, 4, &fields, 1067, NULL, &e), e);
    assert_ok(layout_make(&l, &e), e);
    layout_done(&l);
}

static void test_dpq_author_words(void **state)
{
    struct plan plan;

    (void)state;
    make_plan(&plan, "dpq", 1000, 16, 0, "parts=8 k=32");
    assert_true(plan.method->author_words(&plan) == 1000 * 8 + 32 * 16);
    plan_done(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mgqe_plan),
        cmocka_unit_test(test_mgqe_plan_refuses),
        cmocka_unit_test(test_mgqe_author_words),
        cmocka_unit_test(test_mgqe_fields_have_it_in_common),
        cmocka_unit_test(test_dpq_plan),
        cmocka_unit_test(test_dpq_plan_refuses),
        cmocka_unit_test(test_dpq_fields_have_it_in_common),
        cmocka_unit_test(test_dpq_fields_refuse),
        cmocka_unit_test(test_dpq_author_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
