/* SPDX-License-Identifier: Apache-2.0 */
/* The statistics as the daemon uses them: adding, asking, and what is refused. */
#include "base/memory.h"
#include "tests/unit/statistics_unit.h"

static void test_new_file_is_readable_by_the_group(void **state)
{
    struct scene *scene = *state;
    struct stat st;

    assert_int_equal(stat(unit_path(&scene->folder, "stats.db"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_string_equal(ask(scene, SPAN_TOTAL, NULL, NULL, -DAY, DAY), "");
    add(scene, NOON, "ads", "Lookup", 1, 10);
    assert_int_equal(stat(unit_path(&scene->folder, "stats.db-journal"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_string_equal(sql_text(unit_path(&scene->folder, "stats.db"), "PRAGMA journal_mode"),
                        "delete"); /* of a stranger: no WAL */
}

static void test_counts_of_a_minute_add_up(void **state)
{
    struct scene *scene = *state;

    add(scene, NOON, "ads", "Lookup", 2, 100);
    add(scene, NOON + 59, "ads", "Lookup", 3, 200);
    add(scene, NOON + 60, "ads", "Lookup", 1, 50);
    add(scene, NOON + 61, "ads", "Describe", 1, 7);
    add(scene, NOON + 62, "?", "Lookup", 1, 3);
    for (int i = 0; i < 2; i++) {
        assert_string_equal(ask(scene, SPAN_MINUTE, NULL, NULL, 0, 3600),
                            "0+60 ads Lookup 5/50/5 800us;"
                            "60+60 ? Lookup 1/10/1 3us;"
                            "60+60 ads Describe 1/10/1 7us;"
                            "60+60 ads Lookup 1/10/1 50us;");
        assert_string_equal(ask(scene, SPAN_HOUR, NULL, NULL, 0, 3600),
                            "0+3600 ? Lookup 1/10/1 3us;"
                            "0+3600 ads Describe 1/10/1 7us;"
                            "0+3600 ads Lookup 6/60/6 850us;");
        assert_string_equal(ask(scene, SPAN_TOTAL, NULL, NULL, 0, 3600),
                            "60+60 ? Lookup 1/10/1 3us;"
                            "60+60 ads Describe 1/10/1 7us;"
                            "0+120 ads Lookup 6/60/6 850us;");
        open_with(scene, for_ever.keep_minutes_s, for_ever.keep_hours_s);
    }
}

static void test_query_takes_table_call_and_time(void **state)
{
    struct scene *scene = *state;

    add(scene, NOON - 1, "ads", "Lookup", 1, 1);
    add(scene, NOON, "ads", "Lookup", 2, 1);
    add(scene, NOON + 60, "users", "Lookup", 3, 1);
    add(scene, NOON + 120, "ads", "List", 4, 1);
    assert_string_equal(ask(scene, SPAN_TOTAL, "ads", NULL, -60, 180),
                        "120+60 ads List 4/40/4 4us;-60+120 ads Lookup 3/30/3 3us;");
    assert_string_equal(ask(scene, SPAN_TOTAL, NULL, "List", -60, 180),
                        "120+60 ads List 4/40/4 4us;");
    assert_string_equal(ask(scene, SPAN_TOTAL, "users", "List", -60, 180), "");
    assert_string_equal(ask(scene, SPAN_TOTAL, "none", NULL, -60, 180), "");
    assert_string_equal(ask(scene, SPAN_MINUTE, "ads", "Lookup", 0, 60),
                        "0+60 ads Lookup 2/20/2 2us;");
    assert_string_equal(ask(scene, SPAN_MINUTE, "ads", "Lookup", -60, 0),
                        "-60+60 ads Lookup 1/10/1 1us;");
    assert_string_equal(ask(scene, SPAN_MINUTE, NULL, NULL, 60, 61),
                        "60+60 users Lookup 3/30/3 3us;");
    assert_string_equal(ask(scene, SPAN_MINUTE, NULL, NULL, 180, 60), "");
}

static void test_errors_are_counted_by_status(void **state)
{
    struct scene *scene = *state;
    struct call_counts c = counts_of(9, 1);
    struct error e;

    c.errors[ST_NOT_FOUND] = 2;
    c.errors[ST_UNAUTHENTICATED] = 1;
    for (int i = 0; i < 2; i++) {
        assert_ok(statistics_begin(scene->s, &e), e);
        assert_ok(statistics_add(scene->s, NOON + i * 60, "ads", "Lookup", &c, &e), e);
        assert_ok(statistics_commit(scene->s, &e), e);
        c.errors[ST_CANCELLED] = 5;
    }
    assert_string_equal(ask(scene, SPAN_MINUTE, NULL, NULL, 0, 60),
                        "0+60 ads Lookup 9/90/9 NOT_FOUND=2 UNAUTHENTICATED=1 9us;");
    assert_string_equal(
        ask(scene, SPAN_TOTAL, NULL, NULL, 0, 120),
        "0+120 ads Lookup 18/180/18 CANCELLED=5 NOT_FOUND=4 UNAUTHENTICATED=2 18us;");
}

static enum status compare_counts(void *context, const struct statistics_row *row)
{
    assert_memory_equal(row->counts, context, sizeof(struct call_counts));
    return ST_OK;
}

static void test_histogram_comes_back_as_it_was(void **state)
{
    struct scene *scene = *state;
    struct statistics_query q = {NULL, NULL, NOON, NOON + 60, SPAN_TOTAL, 1};
    struct call_counts c = {.count = 2000};
    uint64_t random = 1;
    struct error e;

    for (int i = 0; i < 2000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        histogram_add(&c.latency, (random >> 20) >> random % 44);
    }
    assert_ok(statistics_begin(scene->s, &e), e);
    assert_ok(statistics_add(scene->s, NOON, "ads", "Lookup", &c, &e), e);
    assert_ok(statistics_commit(scene->s, &e), e);
    assert_ok(statistics_query(scene->s, &q, compare_counts, &c, &e), e);
}

static void test_too_many_rows_are_refused(void **state)
{
    struct scene *scene = *state;
    struct statistics_query q = {NULL, NULL, NOON, NOON + DAY, SPAN_MINUTE, 3};
    struct text t = {.rows = 0};
    struct error e;

    for (int i = 0; i < 3; i++)
        add(scene, NOON + 60 * i, "ads", "Lookup", 1, 1);
    assert_ok(statistics_query(scene->s, &q, write_row, &t, &e), e);
    add(scene, NOON + 600, "ads", "Lookup", 1, 1);
    assert_fails(statistics_query(scene->s, &q, write_row, &t, &e), ST_EXHAUSTED, e,
                 "more than 3 rows");
    q.limit = 0;
    assert_fails(statistics_query(scene->s, &q, write_row, &t, &e), ST_EXHAUSTED, e, "0 rows");
}

static void test_question_about_too_much_is_refused(void **state)
{
    struct scene *scene = *state;
    struct statistics_query q = {NULL, NULL, 0, NOON, SPAN_TOTAL, 1000};
    struct text t = {.rows = 0};
    struct error e;

    add(scene, NOON, "ads", "Lookup", 1, 1);
    sql_run(unit_path(&scene->folder, "stats.db"),
            "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
            "INSERT INTO usage (seconds, start, table_id, call_id, count, ids, missing, sum_us, "
            "max_us) SELECT 60, i * 60, 1, 1, 1, 0, 0, 0, 0 FROM n");
    assert_ok(statistics_query(scene->s, &q, write_row, &t, &e), e);
    assert_non_null(strstr(t.text, "ads Lookup 100000/0/0"));
    q.to_s = NOON + 1;
    assert_fails(statistics_query(scene->s, &q, write_row, &t, &e), ST_EXHAUSTED, e,
                 "more than 100000 minutes and hours of tables: ask about less time or one table");
}

static void test_row_function_ends_the_query(void **state)
{
    struct scene *scene = *state;
    struct statistics_query q = {NULL, NULL, NOON, NOON + DAY, SPAN_MINUTE, 100};
    struct text t = {.stop_after = 2};
    struct error e;

    for (int i = 0; i < 5; i++)
        add(scene, NOON + 60 * i, "ads", "Lookup", 1, 1);
    assert_int_equal(statistics_query(scene->s, &q, write_row, &t, &e), ST_CANCELLED);
    assert_int_equal(t.rows, 2);
    add(scene, NOON, "ads", "Lookup", 1, 1); /* no statement is left open */
}

static void test_counters_above_63_bits_stop_at_the_top(void **state)
{
    struct scene *scene = *state;
    struct call_counts c = {.count = 1, .ids = UINT64_MAX};
    struct error e;

    histogram_add(&c.latency, UINT64_MAX);
    assert_ok(statistics_begin(scene->s, &e), e);
    assert_ok(statistics_add(scene->s, NOON, "ads", "Lookup", &c, &e), e);
    assert_ok(statistics_commit(scene->s, &e), e);
    assert_string_equal(ask(scene, SPAN_TOTAL, NULL, NULL, 0, 60),
                        "0+60 ads Lookup 1/9223372036854775807/0 9223372036854775807us;");
}

static void test_reader_delays_the_commit_and_nothing_is_lost(void **state)
{
    struct scene *scene = *state;
    struct call_counts c = counts_of(1, 5);
    sqlite3_stmt *reader = NULL;
    sqlite3 *db = NULL;
    struct error e;

    add(scene, NOON, "ads", "Lookup", 1, 5);
    assert_int_equal(sqlite3_open(unit_path(&scene->folder, "stats.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT * FROM usage", -1, &reader, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(reader), SQLITE_ROW); /* somebody looks and does not go on */
    assert_ok(statistics_begin(scene->s, &e), e);
    assert_ok(statistics_add(scene->s, NOON, "ads", "Lookup", &c, &e), e);
    assert_fails(statistics_commit(scene->s, &e), ST_UNAVAILABLE, e,
                 "stats.db\" is locked by another process");
    assert_string_equal(ask(scene, SPAN_TOTAL, NULL, NULL, 0, 60), "0+60 ads Lookup 1/10/1 5us;");
    sqlite3_finalize(reader);
    assert_ok(statistics_begin(scene->s, &e), e);
    assert_ok(statistics_add(scene->s, NOON, "ads", "Lookup", &c, &e), e);
    assert_ok(statistics_commit(scene->s, &e), e);
    assert_string_equal(ask(scene, SPAN_TOTAL, NULL, NULL, 0, 60), "0+60 ads Lookup 2/20/2 10us;");
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_fails(statistics_begin(scene->s, &e), ST_UNAVAILABLE, e, "locked by another process");
    sqlite3_close(db);
    assert_ok(statistics_begin(scene->s, &e), e);
    assert_ok(statistics_commit(scene->s, &e), e);
}

static void test_removed_file_is_noticed(void **state)
{
    struct scene *scene = *state;
    struct call_counts c = counts_of(1, 5);
    struct error e;
    enum status st;

    add(scene, NOON, "ads", "Lookup", 1, 5);
    assert_int_equal(unlink(unit_path(&scene->folder, "stats.db")), 0);
    st = statistics_begin(scene->s, &e);
    if (st == ST_OK)
        st = statistics_add(scene->s, NOON, "ads", "Lookup", &c, &e);
    if (st == ST_OK)
        st = statistics_commit(scene->s, &e);
    assert_int_equal(st, ST_UNAVAILABLE);
    assert_non_null(strstr(e.text, "stats.db\" was removed or replaced"));
}

static void test_damage_is_named_and_nothing_touched(void **state)
{
    static const struct {
        const char *name, *sql, *content;
        enum status st;
        const char *words;
    } cases[] = {
        {"empty", NULL, "", ST_DATA_LOSS, "stats.db\" is damaged: it is empty"},
        {"text", NULL, "minute,table,count\n", ST_DATA_LOSS, "it is no SQLite database"},
        {"foreign", "PRAGMA application_id = 0", NULL, ST_PRECONDITION, "another program's"},
        {"log", "PRAGMA application_id = 0x656d6264", NULL, ST_PRECONDITION, "0x656d6264, not"},
        {"newer", "PRAGMA user_version = 6", NULL, ST_PRECONDITION, "stats.db\" is of version 6"},
        {"no version", "PRAGMA user_version = 0", NULL, ST_DATA_LOSS, "there is no version 0"},
        {"no table", "DROP VIEW errors_by_minute; DROP TABLE usage_error", NULL, ST_DATA_LOSS,
         "its schema is not ours"},
        {"zeroed page", "zero", NULL, ST_DATA_LOSS, "stats.db\" is damaged: "},
        {"cut", "cut", NULL, ST_DATA_LOSS, "stats.db\" is damaged: "},
    };
    struct scene *scene = *state;
    unsigned char *good, *before, *after;
    size_t size, n, m;
    char path[PATH_MAX];
    struct error e;

    add(scene, NOON, "ads", "Lookup", 1, 5);
    statistics_close(scene->s);
    scene->s = NULL;
    snprintf(path, sizeof path, "%s", unit_path(&scene->folder, "stats.db"));
    good = bytes_of(path, &size);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unit_write(path, good, size);
        if (cases[i].content) {
            unit_write(path, cases[i].content, strlen(cases[i].content));
        } else if (!strcmp(cases[i].sql, "zero")) {
            unsigned char *bad = bytes_of(path, &n);

            memset(bad + 3 * 4096, 0, 4096);
            unit_write(path, bad, n);
            free(bad);
        } else if (!strcmp(cases[i].sql, "cut")) {
            assert_int_equal(truncate(path, (off_t)size - 4096), 0);
        } else {
            sql_run(path, cases[i].sql);
        }
        before = bytes_of(path, &n);
        enum status st = statistics_open(&scene->s, scene->folder.path, &for_ever, &e);

        if (st != cases[i].st || !strstr(e.text, cases[i].words))
            fail_msg("%s: %s: %s", cases[i].name, status_name(st), st == ST_OK ? "" : e.text);
        after = bytes_of(path, &m);
        if (n != m || memcmp(before, after, n))
            fail_msg("%s: the file was touched", cases[i].name);
        free(before);
        free(after);
    }
    unit_write(path, good, size);
    free(good);
    open_with(scene, DAY, DAY);
    assert_string_equal(ask(scene, SPAN_TOTAL, NULL, NULL, 0, 60), "0+60 ads Lookup 1/10/1 5us;");
}

#ifdef EMBD_DEVELOPER
static void test_failing_allocations_are_survived(void **state)
{
    struct scene *scene = *state;
    bool failed = true;
    enum status st;
    struct error e;

    for (uint64_t n = 1; failed; n++) {
        statistics_close(scene->s);
        scene->s = NULL;
        mem_fail_at(n, false);
        st = statistics_open(&scene->s, scene->folder.path, &for_ever, &e);
        failed = mem_failed();
        mem_fail_at(0, false);
        assert_int_equal(st, failed ? ST_EXHAUSTED : ST_OK);
    }
}
#endif

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_new_file_is_readable_by_the_group),
        TEST(test_counts_of_a_minute_add_up),
        TEST(test_query_takes_table_call_and_time),
        TEST(test_errors_are_counted_by_status),
        TEST(test_histogram_comes_back_as_it_was),
        TEST(test_too_many_rows_are_refused),
        TEST(test_question_about_too_much_is_refused),
        TEST(test_row_function_ends_the_query),
        TEST(test_counters_above_63_bits_stop_at_the_top),
        TEST(test_reader_delays_the_commit_and_nothing_is_lost),
        TEST(test_removed_file_is_noticed),
        TEST(test_damage_is_named_and_nothing_touched),
#ifdef EMBD_DEVELOPER
        TEST(test_failing_allocations_are_survived),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
