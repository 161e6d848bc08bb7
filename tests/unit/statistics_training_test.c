/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes, refused pushes, the log and starts in stats.db: adding, asking, what people read, and
   files of version 1. */
#include "tests/unit/statistics_training_unit.h"

static const char stats_1[] =
#include "storage/sql/stats_1.inc"
    ;

static void test_pushes_of_a_minute_add_up(void **state)
{
    struct scene *scene = *state;

    train(scene, NOON, "ads", 2, 2);
    train(scene, NOON + 59, "ads", 3, 5);
    train(scene, NOON + 60, "ads", 1, 6);
    train(scene, NOON + 61, "words", 4, 104);
    train(scene, NOON + 3600, "ads", 1, 3); /* another life of the name */
    for (int i = 0; i < 2; i++) {
        assert_string_equal(ask_training(scene, SPAN_MINUTE, NULL, 0, 7200),
                            "0+60 ads 5/2 v5 300us;60+60 ads 1/1 v6 100us;"
                            "60+60 words 4/1 v104 400us;3600+60 ads 1/1 v3 100us;");
        assert_string_equal(ask_training(scene, SPAN_HOUR, NULL, 0, 7200),
                            "0+3600 ads 6/3 v6 300us;0+3600 words 4/1 v104 400us;"
                            "3600+3600 ads 1/1 v3 100us;");
        assert_string_equal(ask_training(scene, SPAN_TOTAL, NULL, 0, 7200),
                            "0+3660 ads 7/4 v3 300us;60+60 words 4/1 v104 400us;");
        assert_string_equal(ask_training(scene, SPAN_TOTAL, "words", 0, 7200),
                            "60+60 words 4/1 v104 400us;");
        assert_string_equal(ask_training(scene, SPAN_TOTAL, NULL, 60, 120),
                            "60+60 ads 1/1 v6 100us;60+60 words 4/1 v104 400us;");
        assert_string_equal(ask_training(scene, SPAN_TOTAL, "none", 0, 7200), "");
        open_with(scene, for_ever.keep_minutes_s, for_ever.keep_hours_s);
    }
}

static void test_refusals_add_up_by_trainer_and_reason(void **state)
{
    struct scene *scene = *state;

    refuse(scene, NOON, "a", ST_INVALID, "not_finite", 2);
    refuse(scene, NOON + 30, "a", ST_INVALID, "not_finite", 1);
    refuse(scene, NOON + 30, "a", ST_INVALID, "norm", 1);
    refuse(scene, NOON + 60, "a", ST_INVALID, "not_finite", 5);
    refuse(scene, NOON + 60, "", ST_NOT_FOUND, "not_found", 7);
    refuse(scene, NOON + 7200, "b", ST_ABORTED, "gap", 1);
    assert_string_equal(ask_refusals(scene, SPAN_MINUTE, 0, 3600),
                        "0+60 'a' INVALID_ARGUMENT norm 1;0+60 'a' INVALID_ARGUMENT not_finite 3;"
                        "60+60 '' NOT_FOUND not_found 7;60+60 'a' INVALID_ARGUMENT not_finite 5;");
    for (int i = 0; i < 2; i++) { /* before and after folding */
        assert_string_equal(ask_refusals(scene, SPAN_HOUR, 0, 3600),
                            "0+3600 '' NOT_FOUND not_found 7;0+3600 'a' INVALID_ARGUMENT norm 1;"
                            "0+3600 'a' INVALID_ARGUMENT not_finite 8;");
        if (i == 0)
            assert_string_equal(ask_refusals(scene, SPAN_TOTAL, 0, 10000),
                                "60+60 '' NOT_FOUND not_found 7;"
                                "0+60 'a' INVALID_ARGUMENT norm 1;"
                                "0+120 'a' INVALID_ARGUMENT not_finite 8;"
                                "7200+60 'b' ABORTED gap 1;");
        open_with(scene, 3600, 2 * DAY);
        fold(scene, NOON + 9000);
    }
    assert_string_equal(ask_refusals(scene, SPAN_MINUTE, 0, 10000), "7200+60 'b' ABORTED gap 1;");
    assert_string_equal(sql(scene, "SELECT count(*) || ' ' || sum(count) FROM refusal"), "4 17");
    fold(scene, NOON + 4 * DAY);
    assert_string_equal(sql(scene, "SELECT count(*) FROM refusal"), "0");
}

static void test_answers_know_their_limits(void **state)
{
    struct scene *scene = *state;
    struct statistics_query q = {NULL, NULL, NOON, NOON + DAY, SPAN_MINUTE, 3};
    struct text t = {.rows = 0};
    struct error e;

    for (int i = 0; i < 3; i++) {
        train(scene, NOON + 60 * i, "ads", 1, 1);
        refuse(scene, NOON + 60 * i, "a", ST_INVALID, "norm", 1);
    }
    assert_ok(statistics_query_training(scene->s, &q, write_training, &t, &e), e);
    assert_ok(statistics_query_refusals(scene->s, &q, write_refusal, &t, &e), e);
    assert_int_equal(t.rows, 6);
    train(scene, NOON + 600, "ads", 1, 1);
    refuse(scene, NOON + 600, "a", ST_INVALID, "norm", 1);
    assert_fails(statistics_query_training(scene->s, &q, write_training, &t, &e), ST_EXHAUSTED, e,
                 "more than 3 rows");
    assert_fails(statistics_query_refusals(scene->s, &q, write_refusal, &t, &e), ST_EXHAUSTED, e,
                 "more than 3 rows");
    q.limit = 100;
    t = (struct text){.stop_after = 2};
    assert_int_equal(statistics_query_training(scene->s, &q, write_training, &t, &e), ST_CANCELLED);
    t = (struct text){.stop_after = 2};
    assert_int_equal(statistics_query_refusals(scene->s, &q, write_refusal, &t, &e), ST_CANCELLED);
    train(scene, NOON, "ads", 1, 1); /* no statement is left open */
    sql_run(unit_path(&scene->folder, "stats.db"),
            "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100001) "
            "INSERT INTO training SELECT 60, i * 60, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, "
            "0, 0, 0, 0, 0, 0 FROM n");
    q = (struct statistics_query){NULL, NULL, 0, NOON, SPAN_TOTAL, 100};
    assert_fails(statistics_query_training(scene->s, &q, write_training, &t, &e), ST_EXHAUSTED, e,
                 "more than 100000 minutes and hours of training: ask about less time or one");
}

static void test_counters_above_63_bits_stop_at_the_top(void **state)
{
    struct training_sums sums = {.changed_bytes = UINT64_MAX};
    struct training_state now = {.version = UINT64_MAX};
    struct scene *scene = *state;
    struct error e;

    assert_ok(statistics_begin(scene->s, &e), e);
    assert_ok(statistics_training(scene->s, NOON, "ads", &sums, &now, &e), e);
    assert_ok(statistics_commit(scene->s, &e), e);
    assert_string_equal(sql(scene, "SELECT changed_bytes || ' ' || version FROM training"),
                        "9223372036854775807 9223372036854775807");
}

static void test_views_are_readable(void **state)
{
    struct scene *scene = *state;

    train(scene, NOON, "gone", 1, 1);
    train(scene, NOON, "ads", 4, 4);
    train(scene, NOON + 60, "ads", 2, 7);
    set_log(scene, NOON, &(struct log_state){10, 9, 900, 4096, 500});
    set_log(scene, NOON + 60, &(struct log_state){12, 11, 1100, 5000, 1});
    refuse(scene, NOON, "a", ST_INVALID, "norm", 2);
    refuse(scene, NOON + 120, "a", ST_INVALID, "norm", 3);
    refuse(scene, NOON, "", ST_RANGE, "unknown_id", 1);
    refuse(scene, NOON, "*", ST_ABORTED, "gap", 9);
    assert_string_equal(sql(scene, "SELECT group_concat(minute_utc || ' ' || table_name || ' ' || "
                                   "version || ' ' || pushes || ' ' || ids || ' ' || rows || ' ' "
                                   "|| skipped || ' ' || kept || ' ' || saturated || ' ' || "
                                   "clipped || ' ' || changed_bytes || ' ' || snapshots || ' ' || "
                                   "snapshot_bytes || ' ' || save_us || ' ' || save_pause_us || "
                                   "' ' || snapshot_version || ' ' || memory_bytes, ';') FROM "
                                   "training_by_minute WHERE table_name = 'ads'"),
                        "2023-11-15 12:00 ads 4 4 40 32 8 12 16 20 4000 1 6000 400 28 2 4096;"
                        "2023-11-15 12:01 ads 7 2 20 16 4 6 8 10 2000 1 3000 200 14 3 4096");
    /* Only what is there in the log's newest minute; "gone" is not. */
    assert_string_equal(sql(scene, "SELECT group_concat(minute_utc || ' ' || table_name || ' ' || "
                                   "version || ' ' || snapshot_version || ' ' || unsaved_pushes || "
                                   "' ' || snapshot_utc || ' ' || pushes || ' ' || kept || ' ' || "
                                   "changed_bytes || ' ' || snapshots || ' ' || snapshot_bytes || "
                                   "' ' || write_amplification || ' ' || longest_pause_us || ' ' "
                                   "|| memory_bytes, ';') FROM training_now"),
                        "2023-11-15 12:01 ads 7 3 4 2023-11-15 11:58:20 6 18 6000 2 9000 1.5 28 "
                        "4096");
    assert_true(atof(sql(scene, "SELECT snapshot_age_s FROM training_now")) > 86400);
    assert_string_equal(sql(scene, "SELECT group_concat(trainer || ' ' || status || ' ' || reason "
                                   "|| ' ' || count || ' ' || since_utc || ' ' || until_utc, ';') "
                                   "FROM refusals"),
                        "(none) OUT_OF_RANGE unknown_id 1 2023-11-15 12:00 2023-11-15 12:01;"
                        "(others) ABORTED gap 9 2023-11-15 12:00 2023-11-15 12:01;"
                        "a INVALID_ARGUMENT norm 5 2023-11-15 12:00 2023-11-15 12:03");
    assert_string_equal(sql(scene, "SELECT group_concat(minute_utc || ' ' || trainer || ' ' || "
                                   "status || ' ' || reason || ' ' || count, ';') FROM (SELECT * "
                                   "FROM refusals_by_minute WHERE trainer = 'a' ORDER BY 1)"),
                        "2023-11-15 12:00 a INVALID_ARGUMENT norm 2;"
                        "2023-11-15 12:02 a INVALID_ARGUMENT norm 3");
    assert_string_equal(sql(scene, "SELECT minute_utc || ' ' || lsn || ' ' || rows || ' ' || bytes "
                                   "|| ' ' || disk_bytes || ' ' || queued_bytes FROM log_now"),
                        "2023-11-15 12:01 12 11 1100 5000 1");
}

static void test_table_without_a_snapshot_has_no_age(void **state)
{
    struct training_sums sums = {.pushes = 1};
    struct training_state now = {.version = 1};
    struct scene *scene = *state;
    struct error e;

    assert_ok(statistics_begin(scene->s, &e), e);
    assert_ok(statistics_training(scene->s, NOON, "ads", &sums, &now, &e), e);
    assert_ok(statistics_log(scene->s, NOON, &(struct log_state){.lsn = 1}, &e), e);
    assert_ok(statistics_commit(scene->s, &e), e);
    assert_string_equal(sql(scene, "SELECT coalesce(snapshot_utc, 'none') || ' ' || "
                                   "coalesce(snapshot_age_s, 'none') || ' ' || "
                                   "coalesce(write_amplification, 'none') FROM training_now"),
                        "none none none");
}

static void test_file_of_version_1_goes_on(void **state)
{
    struct scene *scene = *state;
    const char *path = unit_path(&scene->folder, "stats.db");

    statistics_close(scene->s);
    scene->s = NULL;
    assert_int_equal(unlink(path), 0);
    sql_run(path, stats_1);
    sql_run(path, "PRAGMA application_id = 0x656d6273; PRAGMA user_version = 1;"
                  "INSERT INTO tables VALUES (1, 'ads'); INSERT INTO calls VALUES (1, 'Lookup');"
                  "INSERT INTO usage VALUES (1, 60, 1700049600, 1, 1, 3, 30, 1, 12, 5);"
                  "INSERT INTO memory VALUES (60, 1700049600, 1, 10, 20, 0)");
    open_with(scene, for_ever.keep_minutes_s, for_ever.keep_hours_s);
    assert_string_equal(sql_text(path, "PRAGMA user_version"), "5");
    assert_string_equal(ask(scene, SPAN_TOTAL, NULL, NULL, 0, 60), "0+60 ads Lookup 3/30/1 12us;");
    assert_string_equal(ask_training(scene, SPAN_TOTAL, NULL, 0, 60), "");
    train(scene, NOON, "ads", 2, 2);
    refuse(scene, NOON, "a", ST_INVALID, "norm", 2);
    start(scene, NOON, 0);
    assert_string_equal(ask_training(scene, SPAN_TOTAL, NULL, 0, 60), "0+60 ads 2/1 v2 200us;");
    assert_string_equal(sql(scene, "SELECT private_bytes FROM memory_now"), "10");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pushes_of_a_minute_add_up), TEST(test_refusals_add_up_by_trainer_and_reason),
        TEST(test_answers_know_their_limits), TEST(test_counters_above_63_bits_stop_at_the_top),
        TEST(test_views_are_readable),        TEST(test_table_without_a_snapshot_has_no_age),
        TEST(test_file_of_version_1_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
