/* SPDX-License-Identifier: Apache-2.0 */
/* Old minutes of pushes and of the log become hours, old hours and starts go. */
#include "tests/unit/statistics_training_unit.h"

static void test_old_pushes_become_hours_and_nothing_is_lost(void **state)
{
    struct scene *scene = *state;
    char hours[2048];

    for (int i = 0; i < 24; i++) { /* every ten minutes */
        train(scene, NOON + i * 600, "ads", (uint64_t)(i % 5 + 1), (uint64_t)i + 1);
        train(scene, NOON + i * 600, "words", 2, 100);
    }
    strcpy(hours, ask_training(scene, SPAN_HOUR, NULL, 0, 4 * 3600));
    open_with(scene, 3600, DAY);
    for (int64_t now = NOON; now < NOON + 6 * 3600; now += 60) {
        fold(scene, now);
        assert_string_equal(ask_training(scene, SPAN_HOUR, NULL, 0, 4 * 3600), hours);
    }
    assert_string_equal(sql(scene, "SELECT group_concat(DISTINCT seconds) || ' ' || count(*) || ' '"
                                   " || sum(pushes) FROM training"),
                        "3600 8 118");
    fold(scene, NOON + DAY + 1);
    assert_string_equal(sql(scene, "SELECT count(*) FROM training"), "6");
    fold(scene, NOON + 2 * DAY);
    assert_string_equal(sql(scene, "SELECT count(*) FROM training"), "0");
}

static void test_log_is_the_last_of_its_minute_and_the_peak_of_its_hour(void **state)
{
    static const char all[] =
        "SELECT group_concat((start - 1700049600) || '+' || seconds || ' ' || "
        "lsn || '/' || rows || '/' || bytes || '/' || disk_bytes || '/' || "
        "queued_bytes, ';') FROM (SELECT * FROM log ORDER BY start)";
    struct scene *scene = *state;

    set_log(scene, NOON, &(struct log_state){10, 9, 900, 4096, 500});
    set_log(scene, NOON + 30, &(struct log_state){20, 5, 500, 8192, 100});
    set_log(scene, NOON + 60, &(struct log_state){21, 6, 600, 8000, 0});
    assert_string_equal(sql(scene, all), "0+60 20/5/500/8192/500;60+60 21/6/600/8000/0");
    open_with(scene, 600, DAY);
    fold(scene, NOON + 3600);
    assert_string_equal(sql(scene, all), "0+3600 21/6/600/8192/500");
    fold(scene, NOON + DAY + 1);
    assert_string_equal(sql(scene, "SELECT count(*) FROM log"), "0");
}

static void test_starts_are_kept_as_long_as_hours(void **state)
{
    struct scene *scene = *state;

    start(scene, NOON, 0);
    start(scene, NOON, 1); /* in one second */
    start(scene, NOON + 3600, 2);
    open_with(scene, 600, DAY);
    fold(scene, NOON + DAY);
    assert_string_equal(sql(scene, "SELECT count(*) FROM starts"), "3");
    fold(scene, NOON + DAY + 1);
    assert_string_equal(sql(scene, "SELECT start_utc || ' ' || version || ' ' || opening_us || ' ' "
                                   "|| replay_us || ' ' || replay_rows || ' ' || pushes || ' ' || "
                                   "lsn || ' ' || tables || ' ' || damaged FROM starts"),
                        "2023-11-15 13:00:00 1.2 100 50 9 8 7 6 2");
}

static void test_folding_is_done_in_portions(void **state)
{
    struct scene *scene = *state;
    struct error e;
    bool more;

    sql_run(unit_path(&scene->folder, "stats.db"),
            "WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 2499) "
            "INSERT INTO refusal SELECT 60, 1700049600 + i % 50 * 60, 't' || i, 3, 'norm', 2 FROM "
            "n");
    open_with(scene, 600, 10 * DAY);
    for (int left = 1500;; left -= 1000) {
        assert_ok(statistics_fold(scene->s, NOON + 7200, &more, &e), e);
        assert_int_equal(atoi(sql(scene, "SELECT count(*) FROM refusal WHERE seconds = 60")),
                         left > 0 ? left : 0);
        assert_string_equal(sql(scene, "SELECT sum(count) FROM refusal"), "5000");
        assert_int_equal(more, left > 0);
        if (!more)
            break;
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_old_pushes_become_hours_and_nothing_is_lost),
        TEST(test_log_is_the_last_of_its_minute_and_the_peak_of_its_hour),
        TEST(test_starts_are_kept_as_long_as_hours),
        TEST(test_folding_is_done_in_portions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
