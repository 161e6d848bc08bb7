/* SPDX-License-Identifier: Apache-2.0 */
/* How a start describes itself. */
#include "tests/unit/unit.h"

#include "daemon/opening.h"

static void test_words(void **state)
{
    struct opening o = {0};
    char text[128];

    (void)state;
    assert_string_equal(opening_text(&o, text, sizeof text), "opening the log");
    opening_phase(&o, OPENING_TABLES, 12);
    atomic_store(&o.done, 3);
    assert_string_equal(opening_text(&o, text, sizeof text), "opening tables: 3 of 12");
    opening_phase(&o, OPENING_REPLAY, 50);
    assert_string_equal(opening_text(&o, text, sizeof text),
                        "replaying the log: 0 %, 0 of 50 rows");
    atomic_store(&o.done, 17);
    assert_string_equal(opening_text(&o, text, sizeof text),
                        "replaying the log: 34 %, 17 of 50 rows");
    opening_phase(&o, OPENING_REPLAY, 0);
    assert_string_equal(opening_text(&o, text, sizeof text),
                        "replaying the log: 100 %, 0 of 0 rows");
    opening_phase(&o, OPENING_FETCH, 12);
    atomic_store(&o.done, 4);
    assert_string_equal(opening_text(&o, text, sizeof text), "bringing tables into memory: 4 of 12");
    opening_phase(&o, OPENING_DONE, 0);
    assert_string_equal(opening_text(&o, text, sizeof text), "all tables are open");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
