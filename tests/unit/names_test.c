/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "base/memory.h"
#include "daemon/names.h"
#include "tests/unit/random.h"

struct item {
    uint64_t before;
    struct bytes name;
    uint64_t behind;
};

/* Names of two letters at most, so that many are equal; some are empty. */
static void test_the_first_of_each_name(void **state)
{
    static const char letters[] = "abcab";
    struct random random = {4};
    struct item item[600];
    uint32_t first[600];
    struct error e;

    (void)state;
    for (size_t n = 0; n < 600; n = n < 20 ? n + 1 : n * 3) {
        struct arena arena;

        arena_init(&arena, SIZE_MAX);
        for (size_t i = 0; i < n; i++)
            item[i].name = (struct bytes){letters + random_below(&random, 4),
                                          (size_t)random_below(&random, 3)};
        assert_ok(names_compare(first, &item->name, sizeof *item, n, &arena, &e), e);
        for (size_t i = 0; i < n; i++) {
            size_t j = 0;

            while (item[j].name.size != item[i].name.size ||
                   memcmp(item[j].name.data, item[i].name.data, item[i].name.size))
                j++;
            assert_int_equal(first[i], j);
        }
        arena_done(&arena);
    }
}

static void test_no_name_has_no_bytes(void **state)
{
    const struct bytes name[] = {{"", 0}, {NULL, 0}, {"a", 1}, {NULL, 0}};
    uint32_t first[4];
    struct arena arena;
    struct error e;

    (void)state;
    arena_init(&arena, 0); /* so few take no memory */
    assert_ok(names_compare(first, name, sizeof *name, 4, &arena, &e), e);
    assert_int_equal(first[1], 0);
    assert_int_equal(first[2], 2);
    assert_int_equal(first[3], 0);
}

static void test_many_take_memory(void **state)
{
    struct bytes name[20];
    uint32_t first[20];
    struct arena arena;
    struct error e;

    (void)state;
    for (size_t i = 0; i < 20; i++)
        name[i] = (struct bytes){"x", 1};
    arena_init(&arena, 64);
    assert_fails(names_compare(first, name, sizeof *name, 20, &arena, &e), ST_EXHAUSTED, e,
                 "the call's tables");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_of_each_name),
        cmocka_unit_test(test_no_name_has_no_bytes),
        cmocka_unit_test(test_many_take_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
