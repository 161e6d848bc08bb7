/* SPDX-License-Identifier: Apache-2.0 */
/* When calls of an open loop are due: threads together make the whole rate, without drift. */
#include "client/load/schedule.h"

#include <math.h>

#include "tests/unit/unit.h"

#define START UINT64_C(123456789000000000)

static void test_fixed_rate_is_dealt_out_in_turn(void **state)
{
    struct schedule s[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        schedule_init(&s[i], 1000, false, START, 1, i, 3);
    for (uint64_t call = 0; call < 30000; call++) {
        uint64_t due = schedule_due(&s[call % 3]), exact = START + call * 1000000;

        assert_true(due >= exact - 1 && due <= exact + 1); /* a nanosecond */
        schedule_advance(&s[call % 3]);
    }
}

static void test_fixed_rate_does_not_drift(void **state)
{
    struct schedule s;
    uint64_t due;

    (void)state;
    schedule_init(&s, 3e6, false, START, 1, 0, 1); /* 333.33 ns */
    for (uint64_t call = 0; call < 6000000; call++)
        schedule_advance(&s);
    due = schedule_due(&s);
    assert_true(due >= START + 2000000000 - 1 && due <= START + 2000000000 + 1);
}

static void test_a_call_in_a_week(void **state)
{
    struct schedule s;

    (void)state;
    schedule_init(&s, 1.0 / 604800, false, START, 1, 0, 1);
    assert_true(schedule_due(&s) == START);
    schedule_advance(&s);
    assert_true(schedule_due(&s) == START + UINT64_C(604800000000000));
}

/* Of a Poisson process, the gaps have the mean 1 / rate and the same standard deviation, and the
   calls of equal spans vary by the root of their number. */
static void test_poisson_process(void **state)
{
    enum { CALLS = 200000, SPANS = 1000 };
    static int count[SPANS];
    double sum = 0, square = 0, chi = 0;
    uint64_t before = START, spans = 0;
    struct schedule s;

    (void)state;
    schedule_init(&s, 4000, true, START, 11, 1, 2); /* 2,000 a second for this thread */
    for (int i = 0; i < CALLS; i++) {
        uint64_t due = schedule_due(&s), span = (due - START) / 50000000; /* 100 calls each */
        double gap = (double)(due - before);

        assert_true(due >= before);
        if (span < SPANS)
            count[span]++;
        spans = span;
        sum += gap;
        square += gap * gap;
        before = due;
        schedule_advance(&s);
    }
    assert_true(spans >= SPANS);
    assert_true(fabs(sum / CALLS - 500000) < 5 * 500000 / sqrt(CALLS));
    assert_true(fabs(square / CALLS / 5e11 - 1) < 5 * sqrt(5.0 / CALLS));
    for (int i = 0; i < SPANS; i++)
        chi += pow(count[i] - 100, 2) / 100;
    assert_true(fabs(chi - SPANS) < 5 * sqrt(2.0 * SPANS));
}

static void test_poisson_threads_differ(void **state)
{
    struct schedule a, b;

    (void)state;
    schedule_init(&a, 1000, true, START, 1, 0, 2);
    schedule_init(&b, 1000, true, START, 1, 1, 2);
    assert_true(schedule_due(&a) != schedule_due(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixed_rate_is_dealt_out_in_turn),
        cmocka_unit_test(test_fixed_rate_does_not_drift),
        cmocka_unit_test(test_a_call_in_a_week),
        cmocka_unit_test(test_poisson_process),
        cmocka_unit_test(test_poisson_threads_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
