/* SPDX-License-Identifier: Apache-2.0 */
/* Widths by the power law: the values of methods.md 10.4, and budgets that are never exceeded. */
#include "methods/projected.h"

#include <math.h>

#include "base/memory.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define FIELDS 26

/* The fields of a click log (Criteo). */
static const uint64_t click_log[FIELDS] = {
    1460, 583,   10131227, 2202608, 305,  24,   12517, 633,     3,  93145, 5683,   8351593, 3194,
    27,   14992, 5461306,  10,      5652, 2173, 4,     7046547, 18, 15,    286181, 105,     142572};

static uint64_t floats_of(const uint64_t *rows, const uint64_t *width, size_t count, uint32_t dim)
{
    uint64_t floats = 0;

    for (size_t i = 0; i < count; i++)
        floats += rows[i] * width[i] + (width[i] == dim ? 0 : width[i] * dim);
    return floats;
}

static void test_published(void **state)
{
    static const struct {
        uint32_t dim;
        double ratio, taken; /* as printed, to four digits */
        uint64_t width[FIELDS];
    } rows[] = {
        {16, 0.1, 0.0929, {8, 8, 1, 2,  8, 8, 4,  8, 16, 4,  4, 1, 4,
                           8, 4, 2, 16, 4, 8, 16, 2, 16, 16, 4, 8, 4}},
        {32, 0.05, 0.0466, {8,  8, 1, 2,  16, 16, 8,  8, 32, 4,  8, 1,  8,
                            16, 4, 2, 32, 8,  8,  32, 2, 16, 32, 4, 16, 4}},
        {64, 0.025, 0.0233, {16, 16, 1, 2,  16, 32, 8,  16, 64, 4,  8, 1,  8,
                             32, 8,  2, 64, 8,  16, 64, 2,  32, 32, 4, 32, 4}},
        {16, 0.25, 0.2128, {8,  8, 2, 4,  8, 16, 8,  8, 16, 4,  8, 4, 8,
                            16, 8, 4, 16, 8, 8,  16, 4, 16, 16, 4, 8, 4}},
        /* The authors take .0703 and .500012 of the table here; ours stays below a half. */
        {16, 0.5, 0.4250, {8,  8, 4, 8,  16, 16, 8,  8, 16, 8,  8, 8,  8,
                           16, 8, 8, 16, 8,  8,  16, 8, 16, 16, 8, 16, 8}},
    };
    uint64_t total = 0;

    (void)state;
    for (size_t i = 0; i < FIELDS; i++)
        total += click_log[i];
    assert_int_equal(total, 33762577);
    for (size_t i = 0; i < COUNT(rows); i++) {
        double all = (double)total * rows[i].dim;
        uint64_t width[FIELDS], budget = (uint64_t)(rows[i].ratio * all) * 4;

        assert_true(mde_widths(click_log, FIELDS, rows[i].dim, budget, width));
        assert_memory_equal(width, rows[i].width, sizeof width);
        assert_true(fabs((double)floats_of(click_log, width, FIELDS, rows[i].dim) / all -
                         rows[i].taken) < 5e-5);
    }
}

/* Where the authors' solver asserts: below one column each the budget cannot be kept, above it can.
 */
static void test_least(void **state)
{
    uint64_t width[FIELDS], least = 0;

    (void)state;
    for (size_t i = 0; i < FIELDS; i++) {
        uint64_t one = click_log[i] + 16, full = click_log[i] * 16;

        least += one < full ? one : full;
    }
    assert_true(mde_widths(click_log, FIELDS, 16, least * 4, width));
    assert_int_equal(floats_of(click_log, width, FIELDS, 16), least);
    assert_false(mde_widths(click_log, FIELDS, 16, least * 4 - 1, width));
    assert_int_equal(floats_of(click_log, width, FIELDS, 16), least);
    for (size_t i = 0; i < FIELDS; i++)
        assert_int_equal(width[i], 1);
}

static void test_never_exceeds(void **state)
{
    struct random r = {91};
    unsigned kept = 0;

    (void)state;
    for (int turn = 0; turn < 3000; turn++) {
        uint64_t rows[8], width[8], all = 0, budget;
        size_t count = 1 + random_below(&r, COUNT(rows));
        uint32_t dim = 1 + (uint32_t)random_below(&r, 150);

        for (size_t i = 0; i < count; i++) {
            rows[i] = random_below(&r, 3) ? random_below(&r, 5000) : random_below(&r, 4);
            all += rows[i] * dim;
        }
        budget = random_below(&r, 4 * all + 1);
        for (size_t i = 0; i < count; i++)
            width[i] = 0;
        if (mde_widths(rows, count, dim, budget, width)) {
            assert_true(floats_of(rows, width, count, dim) * 4 <= budget);
            kept++;
        }
        for (size_t i = 0; i < count; i++)
            assert_true(width[i] >= 1 && width[i] <= dim);
    }
    assert_true(kept > 1000);
}

/* A list of widths belongs to the fields one by one. */
static void test_widths_given(void **state)
{
    const uint64_t first[] = {0, 50, 57, 57, 90};
    const struct fields fields = {first, 4};
    struct value chosen[METHOD_SETTINGS_MAX] = {{.set = false}};
    int64_t list[] = {2, 6, 3, 4};
    struct layout l;
    struct error e;
    uint64_t width, bytes;

    (void)state;
    chosen[PROJECTED_DIMS] = (struct value){.set = true, .list = list, .n = 4};
    for (int turn = 0; turn < 2; turn++) { /* without a budget, and with one */
        assert_ok(
            layout_open(&l, method_find("mde", 3), 90, 6, &fields, turn ? 2000 : 0, chosen, &e), e);
        assert_ok(layout_make(&l, &e), e);
        assert_true(symbols_get(&l.part[0].size, "W", 1, &width) && width == 2);
        assert_int_equal(l.part[0].value[PROJECTED_DIMS].n, 1);
        assert_string_equal(l.part[1].method->name, "full"); /* all columns */
        assert_true(symbols_get(&l.part[3].size, "W", 1, &width) && width == 4);
        assert_ok(layout_bytes(&l, &bytes, &e), e);
        assert_int_equal(bytes, 4 * (50 * 2 + 12 + 7 * 6 + 33 * 4 + 24));
        layout_done(&l);
    }
    assert_ok(layout_open(&l, method_find("mde", 3), 90, 6, &fields, 1000, chosen, &e), e);
    assert_fails(layout_make(&l, &e), ST_INVALID, e, "mde needs at least 1.21 KiB");
    layout_done(&l);
    chosen[PROJECTED_DIMS].n = 3;
    assert_fails(layout_open(&l, method_find("mde", 3), 90, 6, &fields, 0, chosen, &e), ST_INVALID,
                 e, "dims has 3 entries; it must have one for each field, which are 4");
    layout_done(&l);
}

/* The power law is what a budget is shared by, and a refusal names what would do. */
static void test_share(void **state)
{
    const uint64_t first[] = {0, 10, 1010, 1010, 9010};
    const struct fields fields = {first, 4};
    uint64_t rows[] = {10, 1000, 0, 8000}, want[4], width, bytes;
    struct layout l;
    struct error e;

    (void)state;
    assert_ok(layout_open(&l, method_find("mde", 3), 9010, 16, &fields, 150000, NULL, &e), e);
    assert_ok(layout_make(&l, &e), e);
    assert_true(mde_widths(rows, 4, 16, 150000, want));
    for (size_t i = 0; i < 4; i++) {
        bool full = !strcmp(l.part[i].method->name, "full");

        width = 0;
        (void)symbols_get(&l.part[i].size, "W", 1, &width);
        assert_true(full ? want[i] == 16 : width == want[i]);
    }
    assert_ok(layout_bytes(&l, &bytes, &e), e);
    assert_true(bytes <= 150000);
    layout_done(&l);
    assert_ok(layout_open(&l, method_find("mde", 3), 9010, 16, &fields, 30000, NULL, &e), e);
    assert_fails(layout_make(&l, &e), ST_INVALID, e, "mde needs at least 35.4 KiB for 9,010 x 16");
    layout_done(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published),     cmocka_unit_test(test_least),
        cmocka_unit_test(test_never_exceeds), cmocka_unit_test(test_widths_given),
        cmocka_unit_test(test_share),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
