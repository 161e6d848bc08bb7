/* SPDX-License-Identifier: Apache-2.0 */
/* Old minutes become hours, old hours go, memory is kept alike. */
#include "tests/unit/statistics_unit.h"

static void fold(struct scene *scene, int64_t time_s, unsigned *calls)
{
    struct error e;
    bool more = true;

    for (*calls = 0; more; ++*calls)
        assert_ok(statistics_fold(scene->s, time_s, &more, &e), e);
}

static void test_old_minutes_become_hours_and_nothing_is_lost(void **state)
{
    struct scene *scene = *state;
    char expected[2048], hours[2048];
    unsigned calls;

    /* Four hours, two calls every ten minutes, the newest at 15:50. */
    for (int i = 0; i < 24; i++) {
        add(scene, NOON + i * 600, "ads", "Lookup", 1, 10);
        add(scene, NOON + i * 600, "users", "Lookup", 2, 20);
    }
    strcpy(expected, "0+14400 ads Lookup 24/240/24 240us;0+14400 users Lookup 48/480/48 960us;");
    strcpy(hours, ask(scene, SPAN_HOUR, NULL, NULL, 0, 4 * 3600));
    assert_string_equal(ask(scene, SPAN_TOTAL, "ads", NULL, 0, 4 * 3600),
                        "0+13860 ads Lookup 24/240/24 240us;");
    open_with(scene, 3600, DAY);
    /* Minute by minute, so that an hour is seen half folded. */
    for (int64_t now = NOON; now < NOON + 6 * 3600; now += 60) {
        fold(scene, now, &calls);
        assert_int_equal(calls, 1);
        assert_string_equal(ask(scene, SPAN_HOUR, NULL, NULL, 0, 4 * 3600), hours);
        assert_non_null(strstr(ask(scene, SPAN_TOTAL, NULL, NULL, 0, 4 * 3600), "240us;"));
        assert_non_null(strstr(ask(scene, SPAN_TOTAL, NULL, NULL, 0, 4 * 3600), "960us;"));
        if (now == NOON + 3 * 3600 + 600) /* all before 14:10 is folded */
            assert_string_equal(ask(scene, SPAN_MINUTE, "ads", NULL, 0, 2 * 3600 + 1200),
                                "7800+60 ads Lookup 1/10/1 10us;");
    }
    assert_string_equal(ask(scene, SPAN_TOTAL, NULL, NULL, 0, 4 * 3600), expected);
    assert_string_equal(ask(scene, SPAN_MINUTE, NULL, NULL, 0, DAY), "");
    assert_string_equal(
        sql_text(unit_path(&scene->folder, "stats.db"),
                 "SELECT count(*) || ' ' || sum(count) || ' ' || (SELECT sum(count) "
                 "FROM usage_bucket) FROM usage"),
        "8 72 72");
    /* And an hour goes when it is older than a day. */
    fold(scene, NOON + DAY, &calls);
    assert_string_equal(ask(scene, SPAN_TOTAL, NULL, NULL, 0, 4 * 3600), expected);
    fold(scene, NOON + DAY + 1, &calls);
    assert_string_equal(ask(scene, SPAN_TOTAL, "ads", NULL, 0, 4 * 3600),
                        "3600+10800 ads Lookup 18/180/18 180us;");
    fold(scene, NOON + DAY + 4 * 3600, &calls);
    assert_string_equal(ask(scene, SPAN_TOTAL, NULL, NULL, -DAY, DAY), "");
    assert_string_equal(sql_text(unit_path(&scene->folder, "stats.db"),
                                 "SELECT (SELECT count(*) FROM usage) + (SELECT count(*) FROM "
                                 "usage_bucket) + (SELECT count(*) FROM usage_error)"),
                        "0");
}

static void test_errors_are_folded_too(void **state)
{
    struct scene *scene = *state;
    struct call_counts c = counts_of(3, 1);
    unsigned calls;
    struct error e;

    c.errors[ST_RANGE] = 2;
    assert_ok(statistics_begin(scene->s, &e), e);
    assert_ok(statistics_add(scene->s, NOON, "ads", "Lookup", &c, &e), e);
    assert_ok(statistics_add(scene->s, NOON + 60, "ads", "Lookup", &c, &e), e);
    assert_ok(statistics_commit(scene->s, &e), e);
    open_with(scene, 600, DAY);
    fold(scene, NOON + 7200, &calls);
    assert_string_equal(ask(scene, SPAN_TOTAL, NULL, NULL, 0, 3600),
                        "0+3600 ads Lookup 6/60/6 OUT_OF_RANGE=4 6us;");
}

static void test_folding_is_done_in_portions(void **state)
{
    struct scene *scene = *state;
    struct call_counts c = counts_of(1, 5);
    struct error e;
    unsigned calls;
    bool more = false;

    assert_ok(statistics_begin(scene->s, &e), e);
    for (int i = 0; i < 250; i++) {
        char table[32];

        snprintf(table, sizeof table, "t%d", i % 50);
        assert_ok(statistics_add(scene->s, NOON + i / 50 * 60, table, "Lookup", &c, &e), e);
    }
    assert_ok(statistics_commit(scene->s, &e), e);
    open_with(scene, 600, 10 * DAY);
    assert_ok(statistics_fold(scene->s, NOON + 7200, &more, &e), e);
    assert_true(more);
    assert_string_equal(sql_text(unit_path(&scene->folder, "stats.db"),
                                 "SELECT count(*) FROM usage WHERE seconds = 60"),
                        "150");
    fold(scene, NOON + 7200, &calls);
    assert_int_equal(calls, 2);
    assert_string_equal(sql_text(unit_path(&scene->folder, "stats.db"),
                                 "SELECT count(*) || ' ' || sum(count) || ' ' || min(seconds) "
                                 "FROM usage"),
                        "50 250 3600");
}

/* Keeping for ever, and a clock that stands at 1970, fold nothing. */
static void test_folding_knows_the_limits_of_time(void **state)
{
    struct scene *scene = *state;
    unsigned calls;

    add(scene, NOON, "ads", "Lookup", 1, 1);
    open_with(scene, UINT64_MAX, UINT64_MAX);
    fold(scene, INT64_MAX, &calls);
    open_with(scene, 600, 600);
    fold(scene, 0, &calls);
    fold(scene, -5, &calls);
    fold(scene, 599, &calls);
    assert_string_equal(ask(scene, SPAN_MINUTE, NULL, NULL, 0, 60), "0+60 ads Lookup 1/10/1 1us;");
}

static void write_memory(void *context, const char *table, int64_t start_s,
                         const struct memory_counts *counts)
{
    char *text = context;

    sprintf(text + strlen(text), "%s@%" PRId64 " %" PRIu64 "/%" PRIu64 "/%" PRIu64 "/%" PRIu64 ";",
            table[0] ? table : "(process)", start_s - NOON, counts->private_bytes,
            counts->mapped_bytes, counts->allocated_bytes, counts->cache_bytes);
}

static const char *memory(struct scene *scene, int64_t from, int64_t to)
{
    static char text[4096];
    struct error e;

    text[0] = '\0';
    assert_ok(statistics_query_memory(scene->s, NOON + from, NOON + to, write_memory, text, &e), e);
    return text;
}

static void set_memory(struct scene *scene, int64_t time_s, const char *table, uint64_t bytes)
{
    struct memory_counts c = {bytes, bytes * 2, bytes * 3, bytes * 4};
    struct error e;

    assert_ok(statistics_begin(scene->s, &e), e);
    assert_ok(statistics_memory(scene->s, time_s, table, &c, &e), e);
    assert_ok(statistics_commit(scene->s, &e), e);
}

static void test_memory_is_the_last_of_its_minute(void **state)
{
    struct scene *scene = *state;

    set_memory(scene, NOON, "", 500);
    set_memory(scene, NOON + 1, "ads", 9);
    set_memory(scene, NOON + 30, "ads", 7);
    set_memory(scene, NOON + 60, "", 400);
    assert_string_equal(memory(scene, 0, 3600), "(process)@60 400/800/1200/1600;ads@0 7/14/21/28;");
    assert_string_equal(memory(scene, 0, 60), "(process)@0 500/1000/1500/2000;ads@0 7/14/21/28;");
    assert_string_equal(memory(scene, 120, 3600), "");
}

static void test_old_memory_becomes_the_peak_of_its_hour(void **state)
{
    struct scene *scene = *state;
    unsigned calls;

    for (int i = 0; i < 30; i++)
        set_memory(scene, NOON + 60 * i, "ads", (uint64_t)(i == 10 ? 1000 : i));
    set_memory(scene, NOON + 4000, "ads", 3);
    open_with(scene, 600, DAY);
    fold(scene, NOON + 1200, &calls); /* half of the hour, in two portions */
    assert_string_equal(memory(scene, 0, 3600), "ads@1740 29/58/87/116;");
    fold(scene, NOON + 7200, &calls);
    assert_string_equal(memory(scene, 0, 3600), "ads@0 1000/2000/3000/4000;");
    assert_string_equal(memory(scene, 0, 7200), "ads@3600 3/6/9/12;");
    fold(scene, NOON + DAY + 3600, &calls);
    assert_string_equal(memory(scene, 0, 3600), "");
    assert_string_equal(memory(scene, 0, 7200), "ads@3600 3/6/9/12;");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_old_minutes_become_hours_and_nothing_is_lost),
        TEST(test_errors_are_folded_too),
        TEST(test_folding_is_done_in_portions),
        TEST(test_folding_knows_the_limits_of_time),
        TEST(test_memory_is_the_last_of_its_minute),
        TEST(test_old_memory_becomes_the_peak_of_its_hour),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
