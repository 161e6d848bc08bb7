/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets and progress, by a clock of the test's own. */
#include "unit.h"

#include <stdbool.h>

#include "daemon/flood.h"
#include "daemon/limits.h"

#define SECOND 1000000u

static unsigned take_all(struct bucket *b, uint64_t burst, uint64_t rate, uint64_t now_us)
{
    unsigned n = 0;

    while (bucket_take(b, burst, rate, now_us))
        n++;
    return n;
}

static void test_a_bucket_holds_its_burst_and_refills_at_its_rate(void **state)
{
    struct bucket b;
    uint64_t now = 77;

    (void)state;
    bucket_fill(&b, 10, now);
    assert_int_equal(take_all(&b, 10, 4, now), 10);
    assert_int_equal(take_all(&b, 10, 4, now + SECOND / 4 - 1), 0);
    assert_int_equal(take_all(&b, 10, 4, now + SECOND / 4), 1);
    assert_int_equal(take_all(&b, 10, 4, now + SECOND), 3);
    assert_int_equal(take_all(&b, 10, 4, now + 100 * SECOND), 10);
}

static void test_a_bucket_never_overflows(void **state)
{
    struct bucket b;
    const uint64_t most = 1000000000;

    (void)state;
    bucket_fill(&b, most, 0);
    assert_true(bucket_take(&b, most, most, UINT64_MAX));
    assert_true(b.level <= most * SECOND);
    bucket_give(&b, most, 5);
    assert_int_equal(b.level, most * SECOND);
}

static void test_what_is_given_back_stays_within_the_burst(void **state)
{
    struct bucket b;

    (void)state;
    bucket_fill(&b, 3, 0);
    bucket_give(&b, 3, 100);
    assert_int_equal(take_all(&b, 3, 0, 0), 3);
    bucket_give(&b, 3, 2);
    assert_int_equal(take_all(&b, 3, 0, SECOND), 2);
}

static void test_calls_and_data_earn_control_frames(void **state)
{
    const struct limits l = {.max_controls_rate = 100, .max_resets = 5, .max_resets_rate = 1};
    struct flood f;
    unsigned n;

    (void)state;
    flood_start(&f, &l, 0);
    for (n = 0; flood_control(&f, &l, 0); n++)
        ;
    assert_int_equal(n, 100);
    flood_earn_call(&f);
    flood_earn_data(&f);
    for (n = 0; flood_control(&f, &l, 0); n++)
        ;
    assert_int_equal(n, 12);
    /* A peer that was held up answers a thousand frames at once; a million it may not keep. */
    for (unsigned i = 0; i < 1000; i++)
        flood_earn_data(&f);
    for (n = 0; flood_control(&f, &l, 0); n++)
        ;
    assert_int_equal(n, 4000);
    for (unsigned i = 0; i < 1000000; i++)
        flood_earn_data(&f);
    for (n = 0; flood_control(&f, &l, 0); n++)
        ;
    assert_int_equal(n, 65536);
    for (n = 0; flood_reset(&f, &l, 0); n++)
        ;
    assert_int_equal(n, 5);
    assert_true(flood_reset(&f, &l, SECOND));
    assert_false(flood_reset(&f, &l, SECOND));
}

static void test_faults_are_a_hundred_in_ten_seconds(void **state)
{
    const struct limits l = {.max_controls_rate = 1, .max_resets = 1, .max_resets_rate = 1};
    struct flood f;
    unsigned n, resets;

    (void)state;
    flood_start(&f, &l, 0);
    for (n = 0; flood_invalid(&f, 0); n++)
        ;
    for (resets = 0; flood_own_reset(&f, 0); resets++)
        ;
    assert_int_equal(n, 100);
    assert_int_equal(resets, 100);
    flood_earn_answer(&f);
    assert_true(flood_own_reset(&f, 0));
    assert_false(flood_own_reset(&f, 0));
    for (n = 0; flood_invalid(&f, 10 * SECOND); n++)
        ;
    assert_int_equal(n, 100);
}

static void test_output_that_waits_stalls(void **state)
{
    struct progress p = {0};

    (void)state;
    assert_false(progress_stalled(&p, 10, 1000));
    progress_wait(&p, true, 1000);
    assert_false(progress_stalled(&p, 10, 1010));
    assert_true(progress_stalled(&p, 10, 1011));
    assert_false(progress_stalled(&p, 0, 999999));
    progress_wait(&p, false, 1011);
    assert_false(progress_stalled(&p, 10, 2000));
    progress_wait(&p, true, 2000);
    progress_wait(&p, true, 2009);
    assert_true(progress_stalled(&p, 10, 2011));
}

static void test_a_trickle_is_no_progress(void **state)
{
    struct progress p = {0};

    (void)state;
    progress_wait(&p, true, 0);
    for (unsigned i = 0; i < PROGRESS_MIN - 1; i++)
        progress_add(&p, 1, 1);
    assert_true(progress_stalled(&p, 10, 11));
    progress_add(&p, 1, 11);
    assert_false(progress_stalled(&p, 10, 11));
    assert_true(progress_stalled(&p, 10, 22));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_bucket_holds_its_burst_and_refills_at_its_rate),
        cmocka_unit_test(test_a_bucket_never_overflows),
        cmocka_unit_test(test_what_is_given_back_stays_within_the_burst),
        cmocka_unit_test(test_calls_and_data_earn_control_frames),
        cmocka_unit_test(test_faults_are_a_hundred_in_ten_seconds),
        cmocka_unit_test(test_output_that_waits_stalls),
        cmocka_unit_test(test_a_trickle_is_no_progress),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
