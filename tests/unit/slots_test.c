/* SPDX-License-Identifier: Apache-2.0 */
/* Places in the counters: a name keeps its own, until there are no others. */
#include "unit.h"

#include "daemon/counters.h"
#include "daemon/slots.h"

static unsigned take(struct slots *s, const char *name)
{
    unsigned slot = 0;
    struct error e;

    assert_ok(slots_take(s, name, &slot, &e), e);
    return slot;
}

static void test_a_name_keeps_its_slot(void **state)
{
    struct slots s;
    struct error e;

    (void)state;
    assert_ok(slots_init(&s, 3, &e), e);
    assert_int_equal(take(&s, "a"), SLOT_FIRST);
    assert_int_equal(take(&s, "b"), SLOT_FIRST + 1);
    slots_release(&s, "a", SLOT_FIRST);
    assert_int_equal(take(&s, "c"), SLOT_FIRST + 2);
    assert_int_equal(take(&s, "a"), SLOT_FIRST);
    slots_done(&s);
}

static void test_the_longest_unserved_name_loses_its_slot(void **state)
{
    struct slots s;
    struct error e;
    unsigned slot;

    (void)state;
    assert_ok(slots_init(&s, 2, &e), e);
    take(&s, "a");
    take(&s, "b");
    assert_fails(slots_take(&s, "c", &slot, &e), ST_EXHAUSTED, e, "max_tables is 2");
    slots_release(&s, "b", SLOT_FIRST + 1);
    slots_release(&s, "a", SLOT_FIRST);
    assert_int_equal(take(&s, "c"), SLOT_FIRST + 1);
    assert_int_equal(take(&s, "a"), SLOT_FIRST);
    assert_fails(slots_take(&s, "b", &slot, &e), ST_EXHAUSTED, e, "max_tables is 2");
    slots_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_name_keeps_its_slot),
        cmocka_unit_test(test_the_longest_unserved_name_loses_its_slot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
