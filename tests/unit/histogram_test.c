/* SPDX-License-Identifier: Apache-2.0 */
/* The bucket layout, which is part of a file format, and quantiles. */
#include "base/histogram.h"

#include <math.h>

#include "tests/unit/unit.h"

static void test_layout_is_fixed(void **state)
{
    static const struct {
        uint64_t us;
        unsigned index;
    } rows[] = {
        {0, 0},
        {7, 7},
        {8, 8},
        {15, 15},
        {16, 16},
        {17, 16},
        {18, 17},
        {31, 23},
        {32, 24},
        {1000, 63},
        {1024, 64},
        {1000000, 143},
        {UINT64_C(1) << 36, 272},
        {(UINT64_C(1) << 37) - 1, 279},
        {UINT64_C(1) << 37, 279},
        {UINT64_MAX, 279},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_int_equal(histogram_index(rows[i].us), rows[i].index);
}

static void test_buckets_tile_the_line(void **state)
{
    (void)state;
    assert_true(histogram_lower(0) == 0);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t lower = histogram_lower(i), upper = histogram_upper(i);

        assert_int_equal(histogram_index(lower), i);
        assert_int_equal(histogram_index(upper - 1), i);
        if (i + 1 < HISTOGRAM_BUCKETS) {
            assert_true(upper == histogram_lower(i + 1));
            assert_true(lower < 8 ? upper - lower == 1 : (upper - lower) * 8 <= lower);
        }
    }
}

static void test_empty(void **state)
{
    struct histogram h = {0};

    (void)state;
    assert_true(histogram_quantile(&h, 0.5) == 0);
    assert_true(histogram_quantile(&h, 1) == 0);
}

static void test_quantiles_are_within_a_bucket(void **state)
{
    static const double fractions[] = {0.01, 0.5, 0.9, 0.99, 0.999};
    struct histogram h = {0};

    (void)state;
    for (uint64_t us = 1; us <= 100000; us++)
        histogram_add(&h, us);
    assert_true(h.count == 100000 && h.max_us == 100000 && h.sum_us == 5000050000);
    for (size_t i = 0; i < sizeof fractions / sizeof fractions[0]; i++) {
        double exact = fractions[i] * 100000, q = histogram_quantile(&h, fractions[i]);

        assert_true(fabs(q - exact) <= exact / 8 + 1);
    }
    assert_true(histogram_quantile(&h, 1) == 100000);
    assert_true(histogram_quantile(&h, 0) <= 1);
}

static void test_quantile_is_never_above_the_maximum(void **state)
{
    struct histogram h = {0};

    (void)state;
    for (int i = 0; i < 10; i++)
        histogram_add(&h, 1025);
    assert_true(histogram_quantile(&h, 0.99) >= 1024 && histogram_quantile(&h, 0.99) <= 1025);
    histogram_add(&h, UINT64_C(1) << 40); /* above the last bucket */
    assert_true(histogram_quantile(&h, 1) == (double)(UINT64_C(1) << 40));
}

static void test_merge_is_as_if_added_to_one(void **state)
{
    struct histogram a = {0}, b = {0}, both = {0};

    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        histogram_add(i % 3 ? &a : &b, i * i);
        histogram_add(&both, i * i);
    }
    histogram_merge(&a, &b);
    assert_memory_equal(&a, &both, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout_is_fixed),
        cmocka_unit_test(test_buckets_tile_the_line),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_quantiles_are_within_a_bucket),
        cmocka_unit_test(test_quantile_is_never_above_the_maximum),
        cmocka_unit_test(test_merge_is_as_if_added_to_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
