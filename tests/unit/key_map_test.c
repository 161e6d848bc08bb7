/* SPDX-License-Identifier: Apache-2.0 */
#include "table/key_map.h"

#include "tests/unit/random.h"
#include "tests/unit/unit.h"

enum { NAMES = 400 };

static int64_t key_of(uint64_t name)
{
    return (int64_t)(name * UINT64_C(0x9e3779b97f4a7c15));
}

static void test_map_is_like_a_model(void **state)
{
    uint64_t value[NAMES] = {0};
    struct random r = {3};
    struct key_map m = {0};
    size_t count = 0;

    (void)state;
    assert_null(key_map_find(&m, 0));
    key_map_erase(&m, 0);
    key_map_halve(&m);
    key_map_clear(&m);
    for (int turn = 0; turn < 100000; turn++) {
        uint64_t name = random_below(&r, NAMES), *is = key_map_find(&m, key_of(name));

        assert_int_equal(is ? *is : 0, value[name]);
        if (!is) {
            assert_true(key_map_reserve(&m, m.count + 1));
            value[name] = 1 + random_below(&r, 9);
            key_map_add(&m, key_of(name), value[name]);
            count++;
        } else if (random_below(&r, 2)) {
            key_map_erase(&m, key_of(name));
            value[name] = 0;
            count--;
        } else {
            value[name] = *is += 1;
        }
        if (turn % 777 == 0) {
            key_map_halve(&m);
            for (uint64_t i = 0; i < NAMES; i++) {
                count -= value[i] == 1;
                value[i] /= 2;
            }
        }
        assert_int_equal(m.count, count);
    }
    key_map_clear(&m);
    assert_null(key_map_find(&m, key_of(1)));
    key_map_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map_is_like_a_model),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
