/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of lookups in the log: they come back in their place, need no sync, and what does not fit
   is refused, when it is to be written and when it is found in a file. */
#include "storage/count_body.h"
#include "tests/unit/push_unit.h"

static const struct counted some[] = {{0, 1}, {7, 300}, {UINT32_MAX, 2}};

static enum status count_one(struct registry *r, const char *name, uint64_t generation,
                             uint64_t version, size_t n, struct error *e)
{
    struct count_row row = {
        .generation = generation, .version = version, .counted = some, .count = n};
    enum status st;

    snprintf(row.name, sizeof row.name, "%s", name);
    st = registry_count(r, &row, e);
    if (st == ST_OK)
        assert_int_equal(row.lsn, registry_lsn(r));
    return st;
}

/* The counts of the log as text. */
static enum status tell(void *context, const struct logged *l, struct error *e)
{
    char *text = context;
    struct count_body body;
    struct counted c;

    (void)e;
    if (l->kind != CHANGE_COUNT)
        return ST_OK;
    assert_true(!l->push && !l->change);
    body = *l->count;
    sprintf(text + strlen(text), "%d:%s %d/%d", (int)l->lsn, body.row.name,
            (int)body.row.generation, (int)body.row.version);
    while (count_body_next(&body, &c))
        sprintf(text + strlen(text), " %u*%u", (unsigned)c.row, (unsigned)c.times);
    strcat(text, "; ");
    return ST_OK;
}

static void check_told(struct registry *r, const char *due)
{
    char text[1024] = "";
    struct error e;

    assert_ok(registry_replay(r, 0, tell, text, &e), e);
    assert_string_equal(text, due);
}

static void test_counts_come_back_in_their_place(void **state)
{
    static const char *const due =
        "3:ads 1/7 0*1 7*300 4294967295*2; 5:ads 1/104 0*1; 6:users 1/7 0*1 7*300; ";
    struct registry *r = open_with_tables(state);
    struct told told;
    struct error e;
    bool more;

    assert_ok(count_one(r, "ads", 1, 7, 3, &e), e);
    push_ok(r, "a", 1, "ads", 100); /* to version 104 */
    assert_ok(count_one(r, "ads", 1, 104, 1, &e), e);
    assert_ok(count_one(r, "users", 1, 7, 2, &e), e);
    assert_ok(registry_sync(r, &e), e);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(registry_lsn(r), 6);
        check_told(r, due);
        assert_int_equal(registry_trainers(r), 1);
        r = reopen(r, state);
    }
    assert_ok(registry_shorten(r, 4, &more, &e), e);
    r = reopen(r, state);
    check_told(r, strstr(due, "5:"));
    push_ok(r, "a", 2, "ads,users", 100);
    assert_string_equal(replayed(r, 6, &told), "7:a 2 ads 1-107 users 1-107; ");
    assert_ok(registry_shorten(r, 7, &more, &e), e);
    r = reopen(r, state);
    check_told(r, "");
    registry_close(r);
}

static void test_what_does_not_fit_is_not_written(void **state)
{
    struct registry *r = open_with_tables(state);
    struct error e;

    push_ok(r, "a", 1, "ads", 100); /* to version 103 */
    assert_fails(count_one(r, "none", 1, 7, 1, &e), ST_NOT_FOUND, e, "\"none\" is not served");
    assert_fails(count_one(r, "ads", 2, 103, 1, &e), ST_INTERNAL, e, "do not follow");
    assert_fails(count_one(r, "ads", 1, 102, 1, &e), ST_INTERNAL, e, "do not follow");
    change_ok(r, CHANGE_UNLOAD, "users");
    assert_fails(count_one(r, "users", 1, 7, 1, &e), ST_NOT_FOUND, e, "is not served");
    assert_int_equal(registry_lsn(r), 4);
    r = reopen(r, state);
    check_told(r, "");
    registry_close(r);
}

/* Another body for the counts at lsn 5, with a checksum that fits. */
static void rewrite(void **state, const char *name, uint64_t generation, uint64_t version)
{
    struct count_row row = {
        .generation = generation, .version = version, .counted = some, .count = 1};
    const char *path = unit_path(*state, "log.db");
    unsigned char data[256];
    uint64_t numbers[3] = {5, CHANGE_COUNT, 0};
    sqlite3_stmt *s;
    sqlite3 *db;
    size_t n;

    snprintf(row.name, sizeof row.name, "%s", name);
    n = count_body_write(data + sizeof numbers, &row);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    memcpy(data, numbers, sizeof numbers);
    assert_int_equal(sqlite3_prepare_v2(db,
                                        "UPDATE log SET time_us = 0, checksum = ?, body = ? "
                                        "WHERE lsn = 5",
                                        -1, &s, NULL),
                     SQLITE_OK);
    sqlite3_bind_int64(s, 1, (sqlite3_int64)hash_bytes(data, sizeof numbers + n));
    sqlite3_bind_blob(s, 2, data + sizeof numbers, (int)n, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(s), SQLITE_DONE);
    sqlite3_finalize(s);
    sqlite3_close(db);
}

static void test_rows_that_cannot_be(void **state)
{
    static const struct {
        const char *name;
        uint64_t generation, version;
        const char *words; /* NULL: it can be */
    } cases[] = {
        {"ads", 1, 200, NULL},
        {"none", 1, 104, "table \"none\" is not as the log says"},
        {"ads", 2, 104, "table \"ads\" is not as the log says"},
        {"ads", 0, 104, "change 5 is of another life"},
        {"users", 1, 7, "change 5 is of another life"},
        {"ads", 1, 102, "change 5 goes back in the versions"},
    };
    struct registry *r = open_with_tables(state);
    struct error e;

    push_ok(r, "a", 1, "ads", 100); /* lsn 3, to version 103 */
    change_ok(r, CHANGE_UNLOAD, "users");
    assert_ok(count_one(r, "ads", 1, 103, 1, &e), e);
    push_ok(r, "a", 2, "ads", 100);
    assert_int_equal(registry_lsn(r), 6);
    registry_close(r);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *words = cases[i].words;

        rewrite(state, cases[i].name, cases[i].generation, cases[i].version);
        if (!words)
            registry_close(open_ok(folder_of(state)));
        else
            assert_fails(registry_open(&r, folder_of(state), &e), ST_DATA_LOSS, e, words);
    }
}

/* The log of an embd that knew no counts. */
static void test_version_2_is_migrated(void **state)
{
    const char *path = unit_path(*state, "log.db");
    struct registry *r = open_with_tables(state);
    struct error e;

    push_ok(r, "a", 1, "ads", 100);
    registry_close(r);
    sql_run(path, "DROP VIEW changes; CREATE VIEW changes AS SELECT lsn, kind FROM log; "
                  "PRAGMA user_version = 2");
    r = open_ok(folder_of(state));
    assert_ok(count_one(r, "ads", 1, 103, 2, &e), e);
    registry_close(r);
    assert_string_equal(sql_text(path, "PRAGMA user_version"), "3");
    assert_string_equal(sql_text(path, "SELECT group_concat(kind || ' ' || ifnull(tables, '')) "
                                       "FROM (SELECT kind, tables FROM changes ORDER BY lsn)"),
                        "load ,load ,push ads,count ads");
    r = open_ok(folder_of(state));
    check_told(r, "4:ads 1/103 0*1 7*300; ");
    registry_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counts_come_back_in_their_place, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_what_does_not_fit_is_not_written, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_rows_that_cannot_be, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_version_2_is_migrated, make_folder, remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
