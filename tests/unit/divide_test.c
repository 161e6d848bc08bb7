/* SPDX-License-Identifier: Apache-2.0 */
/* Quotients and remainders by reciprocals against the processor's, above all beside multiples. */
#include "base/divide.h"

#include "tests/unit/random.h"
#include "tests/unit/unit.h"

static void check(uint64_t by, uint64_t x)
{
    struct divider d = divider_of(by);

    assert_true(divide(&d, x) == x / by);
    assert_true(remainder_of(&d, x) == x % by);
}

static void test_edges(void **state)
{
    static const uint64_t edge[] = {0, 1, 2, 3, 64, 2147483647, 4294967295, 4294967296, UINT64_MAX};

    (void)state;
    for (size_t i = 1; i < sizeof edge / sizeof edge[0]; i++)
        for (size_t k = 0; k < sizeof edge / sizeof edge[0]; k++)
            for (uint64_t by = edge[i] - 1; by <= edge[i] && by; by++)
                for (uint64_t less = 0; less < 2; less++)
                    check(by, edge[k] - less);
}

static void test_random(void **state)
{
    struct random r = {5};

    (void)state;
    for (int turn = 0; turn < 200000; turn++) {
        uint64_t by = 1 + random_below(&r, (uint64_t)1 << (1 + turn % 40));
        uint64_t x = random_below(&r, (uint64_t)1 << (1 + turn / 40 % 63));

        check(by, x);
        check(by, x / by * by);
        check(by, x / by * by + by - 1);
        check(by, x / by * by - 1); /* with a quotient of 0 the largest number */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
