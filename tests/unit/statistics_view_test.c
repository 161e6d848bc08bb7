/* SPDX-License-Identifier: Apache-2.0 */
/* What a person reads in stats.db: the views say what the C code says, and every query of
   doc/database.md runs. */
#include <math.h>

#include "storage/statistics.h"
#include "tests/unit/storage_unit.h"

#define NOON INT64_C(1700049600) /* 2023-11-15 12:00 UTC */

struct scene {
    struct unit_folder folder;
    struct statistics *s;
    char db[PATH_MAX];
};

static const struct statistics_options options = {86400, 864000};

static int setup(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    struct error e;

    unit_folder_make(&scene->folder);
    snprintf(scene->db, sizeof scene->db, "%s/stats.db", scene->folder.path);
    assert_ok(statistics_open(&scene->s, scene->folder.path, &options, &e), e);
    *state = scene;
    return 0;
}

static int teardown(void **state)
{
    struct scene *scene = *state;

    statistics_close(scene->s);
    unit_folder_remove(&scene->folder);
    free(scene);
    return 0;
}

static void add(struct scene *scene, int64_t time_s, const char *table, const struct call_counts *c)
{
    struct error e;

    assert_ok(statistics_begin(scene->s, &e), e);
    assert_ok(statistics_add(scene->s, time_s, table, "Lookup", c, &e), e);
    assert_ok(statistics_commit(scene->s, &e), e);
}

static double column(struct scene *scene, const char *view, const char *name, const char *table)
{
    char sql[256];

    snprintf(sql, sizeof sql, "SELECT %s FROM %s WHERE table_name = '%s'", name, view, table);
    return atof(sql_text(scene->db, sql));
}

/* Latencies of many shapes: none, one, equal ones, few large ones, evenly and very unevenly spread.
 */
static void latencies(struct histogram *h, unsigned shape)
{
    uint64_t random = shape + 1;

    memset(h, 0, sizeof *h);
    for (unsigned i = 0; i < shape * shape * 3; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        switch (shape % 5) {
        case 0:
            histogram_add(h, 77);
            break;
        case 1:
            histogram_add(h, (random >> 33) % 1000);
            break;
        case 2:
            histogram_add(h, (random >> 20) >> random % 44);
            break;
        case 3:
            histogram_add(h, i ? (random >> 33) % 8 : 5000000);
            break;
        default:
            histogram_add(h, UINT64_C(1) << 40);
            break;
        }
    }
}

static void check_quantiles(struct scene *scene, const char *view, const struct histogram *h,
                            const char *table)
{
    static const struct {
        const char *name;
        double fraction;
    } columns[] = {{"p50_us", 0.5}, {"p90_us", 0.9}, {"p99_us", 0.99}, {"p999_us", 0.999}};

    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
        double view_says = column(scene, view, columns[i].name, table);
        double we_say = histogram_quantile(h, columns[i].fraction);

        /* Written with one digit after the point; large ones lose digits as doubles. */
        if (fabs(view_says - we_say) > 0.051 + we_say * 1e-12)
            fail_msg("%s: %s of %s is %.3f, not %.3f", view, columns[i].name, table, view_says,
                     we_say);
    }
    assert_true(fabs(column(scene, view, "mean_us", table) -
                     (h->count ? (double)h->sum_us / (double)h->count : 0)) <=
                0.051 + (double)h->sum_us * 1e-12);
    assert_true(column(scene, view, "max_us", table) == (double)h->max_us);
}

static void test_percentiles_are_those_of_the_histogram(void **state)
{
    struct scene *scene = *state;
    struct call_counts c, sum;
    char table[16];

    for (unsigned shape = 0; shape < 20; shape++) {
        memset(&c, 0, sizeof c);
        latencies(&c.latency, shape);
        c.count = c.latency.count;
        snprintf(table, sizeof table, "t%u", shape);
        add(scene, NOON, table, &c);
        check_quantiles(scene, "latency_by_minute", &c.latency, table);
        check_quantiles(scene, "latency_by_hour", &c.latency, table);
        check_quantiles(scene, "summary", &c.latency, table);
    }
    memset(&sum, 0, sizeof sum);
    for (unsigned shape = 1; shape < 20; shape++) { /* many minutes and shapes in one */
        latencies(&c.latency, shape);
        c.count = c.latency.count;
        add(scene, NOON + 60 * shape, "all", &c);
        histogram_merge(&sum.latency, &c.latency);
    }
    check_quantiles(scene, "latency_by_hour", &sum.latency, "all");
    check_quantiles(scene, "summary", &sum.latency, "all");
}

/* All rows of a query, columns by '|', rows by a newline. */
static const char *rows_of(struct scene *scene, const char *sql)
{
    static char text[8192];
    sqlite3_stmt *s = NULL;
    sqlite3 *db = NULL;
    size_t n = 0;

    text[0] = '\0';
    assert_int_equal(sqlite3_open(scene->db, &db), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(s) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(s); i++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%c",
                                  sqlite3_column_type(s, i) == SQLITE_NULL
                                      ? "NULL"
                                      : (const char *)sqlite3_column_text(s, i),
                                  i + 1 < sqlite3_column_count(s) ? '|' : '\n');
    sqlite3_finalize(s);
    sqlite3_close(db);
    return text;
}

static void fill(struct scene *scene)
{
    struct call_counts ok = {.count = 3, .ids = 30, .missing = 1, .hits = 20, .misses = 9};
    struct call_counts bad = {.count = 2, .errors = {[ST_NOT_FOUND] = 1, [ST_RANGE] = 1}};
    struct memory_counts process = {1000, 2000, 900, 7}, table = {10, 20, 0, 7};
    struct error e;

    for (int i = 0; i < 3; i++)
        histogram_add(&ok.latency, 4);
    histogram_add(&bad.latency, 6);
    histogram_add(&bad.latency, 6);
    add(scene, NOON + 30, "ads", &ok);
    add(scene, NOON + 70, "ads", &bad);
    add(scene, NOON + 70, "ads", &ok); /* whose latencies are lower: the highest stays */
    add(scene, NOON + 3599, "?", &bad);
    add(scene, NOON + 3600, "ads", &ok);
    assert_ok(statistics_begin(scene->s, &e), e);
    assert_ok(statistics_memory(scene->s, NOON, "", &process, &e), e);
    assert_ok(statistics_memory(scene->s, NOON, "gone", &table, &e), e);
    assert_ok(statistics_memory(scene->s, NOON + 60, "ads", &table, &e), e);
    assert_ok(statistics_memory(scene->s, NOON + 60, "", &process, &e), e);
    assert_ok(statistics_commit(scene->s, &e), e);
}

/* Two tables of one method and one of another; a table that changes its method takes its calls
   along. */
static void test_calls_are_counted_by_method(void **state)
{
    static const struct {
        const char *table;
        struct table_content content;
    } rows[] = {
        {"a", {"hash", 1000, 16, 6400, 0}},
        {"b", {"hash", 3000, 16, 19200, 0}},
        {"c", {"dhe", 500, 8, 8000, 70000}},
    };
    struct scene *scene = *state;
    struct call_counts c = {.count = 2, .ids = 10, .missing = 1};
    struct table_content other = {"tt", 500, 8, 1600, 600};
    struct error e;

    histogram_add(&c.latency, 100);
    histogram_add(&c.latency, 300);
    assert_ok(statistics_begin(scene->s, &e), e);
    for (size_t i = 0; i < 3; i++) {
        assert_ok(statistics_add(scene->s, NOON, rows[i].table, "Lookup", &c, &e), e);
        assert_ok(statistics_content(scene->s, rows[i].table, &rows[i].content, &e), e);
    }
    assert_ok(statistics_commit(scene->s, &e), e);
    assert_string_equal(sql_text(scene->db, "SELECT group_concat(method || ' ' || tables || ' ' || "
                                            "rows || ' ' || ratio || ' ' || most_work, ', ') "
                                            "FROM methods"),
                        "dhe 1 500 0.5 70000, hash 2 4000 0.1 0");
    assert_string_equal(sql_text(scene->db, "SELECT group_concat(method || ' ' || call || ' ' || "
                                            "tables || ' ' || count || ' ' || ids || ' ' || "
                                            "mean_us || ' ' || us_an_id || ' ' || max_us, ', ') "
                                            "FROM latency_by_method"),
                        "dhe Lookup 1 2 10 200.0 40.0 300, hash Lookup 2 4 20 200.0 40.0 300");
    assert_ok(statistics_begin(scene->s, &e), e);
    assert_ok(statistics_content(scene->s, "c", &other, &e), e);
    assert_ok(statistics_commit(scene->s, &e), e);
    assert_string_equal(sql_text(scene->db, "SELECT group_concat(method || ' ' || count, ', ') "
                                            "FROM latency_by_method"),
                        "hash 4, tt 2");
}

static void test_views_are_readable(void **state)
{
    struct scene *scene = *state;

    fill(scene);
    assert_string_equal(rows_of(scene, "SELECT * FROM latency_by_minute ORDER BY 1, 2"),
                        "2023-11-15 12:00|ads|Lookup|3|0|30|1|4.0|4.0|4.0|4.0|4.0|4\n"
                        "2023-11-15 12:01|ads|Lookup|5|2|30|1|4.8|4.8|6.0|6.0|6.0|6\n"
                        "2023-11-15 12:59|?|Lookup|2|2|0|0|6.0|6.0|6.0|6.0|6.0|6\n"
                        "2023-11-15 13:00|ads|Lookup|3|0|30|1|4.0|4.0|4.0|4.0|4.0|4\n");
    for (int i = 0; i < 2; i++) { /* before and after folding */
        bool more;
        struct error e;

        assert_string_equal(rows_of(scene, "SELECT hour_utc, table_name, call, count, errors, ids, "
                                           "missing, mean_us, max_us FROM latency_by_hour "
                                           "ORDER BY 1, 2"),
                            "2023-11-15 12:00|?|Lookup|2|2|0|0|6.0|6\n"
                            "2023-11-15 12:00|ads|Lookup|8|2|60|2|4.5|6\n"
                            "2023-11-15 13:00|ads|Lookup|3|0|30|1|4.0|4\n");
        assert_string_equal(rows_of(scene,
                                    "SELECT table_name, call, count, errors, ids, missing, max_us "
                                    "FROM summary"),
                            "?|Lookup|2|2|0|0|6\n"
                            "ads|Lookup|11|2|90|3|6\n");
        if (i == 0) {
            assert_string_equal(rows_of(scene, "SELECT since_utc, until_utc FROM summary"),
                                "2023-11-15 12:59|2023-11-15 13:00\n"
                                "2023-11-15 12:00|2023-11-15 13:01\n");
            assert_string_equal(rows_of(scene, "SELECT * FROM errors_by_minute ORDER BY 1, 4"),
                                "2023-11-15 12:01|ads|Lookup|NOT_FOUND|1\n"
                                "2023-11-15 12:01|ads|Lookup|OUT_OF_RANGE|1\n"
                                "2023-11-15 12:59|?|Lookup|NOT_FOUND|1\n"
                                "2023-11-15 12:59|?|Lookup|OUT_OF_RANGE|1\n");
            assert_string_equal(rows_of(scene, "SELECT * FROM memory_now"),
                                "2023-11-15 12:01|(process)|1000|2000|900|7\n"
                                "2023-11-15 12:01|ads|10|20|0|7\n");
            assert_string_equal(rows_of(scene, "SELECT * FROM cache_by_minute ORDER BY 1"),
                                "2023-11-15 12:00|ads|20|9|68.97|NULL\n" /* no row of memory */
                                "2023-11-15 12:01|ads|20|9|68.97|7\n"
                                "2023-11-15 13:00|ads|20|9|68.97|NULL\n");
        }
        assert_string_equal(rows_of(scene, "SELECT * FROM cache_by_hour ORDER BY 1"),
                            "2023-11-15 12:00|ads|40|18|68.97|7\n"
                            "2023-11-15 13:00|ads|20|9|68.97|NULL\n");
        assert_ok(statistics_fold(scene->s, NOON + 86400 + 3600, &more, &e), e);
    }
    assert_string_equal(rows_of(scene, "SELECT minute_utc FROM latency_by_minute"),
                        "2023-11-15 13:00\n");
}

static void test_statuses_have_their_names(void **state)
{
    struct scene *scene = *state;
    char expected[1024] = "";

    for (int i = ST_OK + 1; i < ST_COUNT; i++)
        snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%d|%s\n", i,
                 status_name((enum status)i));
    assert_string_equal(rows_of(scene, "SELECT status, name FROM statuses ORDER BY 1"), expected);
}

/* Each ```sql block of doc/database.md; those that begin with "-- log.db" are about the other file.
 */
static void test_queries_of_the_manual_run(void **state)
{
    const char *root = getenv("TOP_SRCDIR");
    struct scene *scene = *state;
    char path[PATH_MAX], log[PATH_MAX], *text, *block, *end;
    unsigned seen = 0;
    size_t n;

    fill(scene);
    registry_close(open_ok(scene->folder.path));
    snprintf(log, sizeof log, "%s/log.db", scene->folder.path);
    snprintf(path, sizeof path, "%s/doc/database.md", root ? root : ".");
    text = (char *)bytes_of(path, &n);
    assert_true(n > 0);
    text[n] = '\0';
    for (block = text; (block = strstr(block, "```sql\n")); block = end + 3, seen++) {
        block += strlen("```sql\n");
        end = strstr(block, "```");
        assert_non_null(end);
        *end = '\0';
        sql_text(strncmp(block, "-- log.db", 9) ? scene->db : log, block);
        *end = '`';
    }
    free(text);
    assert_true(seen >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_percentiles_are_those_of_the_histogram, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_calls_are_counted_by_method, setup, teardown),
        cmocka_unit_test_setup_teardown(test_views_are_readable, setup, teardown),
        cmocka_unit_test_setup_teardown(test_statuses_have_their_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queries_of_the_manual_run, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
