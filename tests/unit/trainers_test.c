/* SPDX-License-Identifier: Apache-2.0 */
/* The hash table of trainers against a plain list. */
#include "storage/trainers.h"

#include "base/memory.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define NAMES 700

static void check_all(const struct trainers *t, struct trainer *const *expected)
{
    size_t count = 0;
    char name[16];

    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof name, "t%d", i);
        assert_ptr_equal(trainers_find(t, name), expected[i]);
        if (expected[i]) {
            assert_string_equal(expected[i]->now.trainer, name);
            count++;
        }
    }
    assert_int_equal(t->count, count);
}

static void test_names_come_and_go(void **state)
{
    struct trainer *expected[NAMES] = {0};
    struct random random = {3};
    struct trainers t = {0};
    struct error e;
    char name[16];

    (void)state;
    assert_null(trainers_find(&t, "t0"));
    for (int step = 0; step < 20000; step++) {
        /* Waves, so that it is full at times and nearly empty at others. */
        bool grow = random_below(&random, 100) < (step / 2000 % 2 ? 20 : 80);
        size_t i = random_below(&random, NAMES);

        if (!expected[i] && grow) {
            snprintf(name, sizeof name, "t%zu", i);
            assert_ok(trainers_add(&t, name, &expected[i], &e), e);
            assert_int_equal(expected[i]->now.sequence, 0);
            assert_false(expected[i]->is_staged);
        } else if (expected[i] && !grow) {
            trainers_remove(&t, expected[i]);
            expected[i] = NULL;
        }
        if (step % 100 == 0)
            check_all(&t, expected);
    }
    check_all(&t, expected);
    trainers_done(&t);
    trainers_done(&t);
    assert_null(trainers_find(&t, "t0"));
}

#ifdef EMBD_DEVELOPER
static void test_failed_addition_changes_nothing(void **state)
{
    struct trainer *expected[NAMES] = {0};
    struct trainers t = {0};
    struct error e;
    char name[16];

    (void)state;
    for (size_t i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "t%zu", i);
        for (uint64_t n = 1; !expected[i]; n++) {
            enum status st;

            mem_fail_at(n, false);
            st = trainers_add(&t, name, &expected[i], &e);
            mem_fail_at(0, false);
            assert_int_equal(st, expected[i] ? ST_OK : ST_EXHAUSTED);
            check_all(&t, expected);
        }
    }
    trainers_done(&t);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_come_and_go),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_failed_addition_changes_nothing),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
