/* SPDX-License-Identifier: Apache-2.0 */
/* The generator of random numbers: reproducible, without bias, streams apart. */
#include "client/load/random.h"

#include <math.h>

#include "tests/unit/unit.h"

static void test_same_seed_same_numbers(void **state)
{
    struct random a, b;

    (void)state;
    random_init(&a, 42, 7);
    random_init(&b, 42, 7);
    for (int i = 0; i < 1000; i++)
        assert_true(random_next(&a) == random_next(&b));
}

static void test_other_seed_or_stream_other_numbers(void **state)
{
    static const uint64_t rows[][2] = {{42, 8}, {43, 7}, {7, 42}, {0, 0}, {0, 1}, {1, 0}};
    struct random a, b;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int equal = 0;

        random_init(&a, 42, 7);
        random_init(&b, rows[i][0], rows[i][1]);
        for (int k = 0; k < 100; k++)
            equal += random_next(&a) == random_next(&b);
        assert_int_equal(equal, 0);
    }
}

static void test_below_is_in_range(void **state)
{
    static const uint64_t limits[] = {1, 2, 3, 1000, (UINT64_C(1) << 32) + 1, UINT64_MAX};
    struct random r;

    (void)state;
    random_init(&r, 1, 1);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        for (int k = 0; k < 1000; k++)
            assert_true(random_below(&r, limits[i]) < limits[i]);
}

/* Of three quarters of 2^64 numbers a plain product would give every third twice the chance. */
static void test_below_has_no_favourites(void **state)
{
    const uint64_t limit = UINT64_C(3) << 62;
    int count[3] = {0};
    struct random r;

    (void)state;
    random_init(&r, 2, 1);
    for (int i = 0; i < 300000; i++)
        count[random_below(&r, limit) % 3]++;
    for (int i = 0; i < 3; i++)
        assert_true(abs(count[i] - 100000) < 5 * sqrt(300000 * 2.0 / 9));
}

static void test_each_number_is_as_likely(void **state)
{
    enum { N = 60, DRAWS = 600000 };
    static int count[N];
    double chi = 0;
    struct random r;

    (void)state;
    random_init(&r, 3, 1);
    for (int i = 0; i < DRAWS; i++)
        count[random_below(&r, N)]++;
    for (int i = 0; i < N; i++)
        chi += pow(count[i] - DRAWS / N, 2) / (DRAWS / N);
    assert_true(chi < N - 1 + 5 * sqrt(2.0 * (N - 1)));
    assert_true(chi > N - 1 - 5 * sqrt(2.0 * (N - 1))); /* nor too good to be random */
}

static void test_unit_and_exponential(void **state)
{
    double sum = 0, square = 0;
    struct random r;

    (void)state;
    random_init(&r, 4, 1);
    for (int i = 0; i < 100000; i++) {
        double u = random_unit(&r), x = random_exponential(&r);

        assert_true(u >= 0 && u < 1);
        assert_true(x >= 0 && isfinite(x));
        sum += x;
        square += x * x;
    }
    assert_true(fabs(sum / 100000 - 1) < 5 / sqrt(100000));
    assert_true(fabs(square / 100000 - 2) < 5 * sqrt(20.0 / 100000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_same_numbers),
        cmocka_unit_test(test_other_seed_or_stream_other_numbers),
        cmocka_unit_test(test_below_is_in_range),
        cmocka_unit_test(test_below_has_no_favourites),
        cmocka_unit_test(test_each_number_is_as_likely),
        cmocka_unit_test(test_unit_and_exponential),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
