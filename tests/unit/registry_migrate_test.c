/* SPDX-License-Identifier: Apache-2.0 */
/* A log of an older version is brought up to date with all that it says, or left for the next
 * start.
 */
#include <errno.h>

#include "tests/unit/faulty_vfs.h"
#include "tests/unit/log_1.h"
#include "tests/unit/log_push_scene.h"

static const char *const said =
    "9: ads /srv/\"ads\"\n\xc3\xa4 {\"memory\": \"copy\"} 1 -1 3 1 3 77, users "
    "/srv/file.safetensors {\"memory\":\"map\"} 1 7 7 1 fedcba9876543210 77, words "
    "/srv/file.safetensors {\"memory\":\"map\"} 2 7 6 1 fedcba9876543210 77,";

static void put_version_1(struct unit_folder *f)
{
    const char *path = unit_path(f, "log.db");

    sql_run(path, log_1_identity);
    sql_run(path, log_1_schema);
    sql_run(path, log_1_rows);
    unit_write(unit_path(f, "log.mark"), log_1_mark, strlen(log_1_mark));
}

static void check_said(struct registry *r)
{
    static const struct file_identity id = {1, 2, 3, 4, 5};
    uint64_t checksum = 0;
    char text[4096];

    describe(r, text, sizeof text);
    assert_string_equal(text, said);
    assert_int_equal(registry_first(r), 0);
    assert_int_equal(registry_trainers(r), 0);
    assert_false(registry_find(r, "ads")->trainable);
    assert_int_equal(registry_find(r, "ads")->header_hash, 0);
    assert_int_equal(registry_find(r, "ads")->by, BY_CONFIGURATION);
    assert_int_equal(registry_find(r, "ads")->identity.mtime_ns, -1);
    assert_true(registry_file_known(r, &id, &checksum));
    assert_int_equal(checksum, 6);
}

static void test_version_1_is_migrated(void **state)
{
    struct unit_folder *f = *state;
    struct registry *r;
    struct told told;
    struct error e;
    bool more;

    put_version_1(f);
    for (int i = 0; i < 2; i++) {
        r = open_ok(f->path);
        check_said(r);
        assert_string_equal(replayed(r, 0, &told),
                            "1:kind 1 ads 1; 2:kind 1 users 1; 3:kind 2 ads 1; 4:kind 1 words 1; "
                            "5:kind 3 words 1; 6:kind 1 words 2; 7:kind 5 users 1; "
                            "8:kind 1 gone 1; 9:kind 4 gone 1; ");
        registry_close(r);
        assert_string_equal(sql_text(unit_path(f, "log.db"), "PRAGMA user_version"), "3");
        assert_string_equal(sql_text(unit_path(f, "log.db"), "PRAGMA integrity_check"), "ok");
        assert_string_equal(
            sql_text(unit_path(f, "log.db"), "SELECT count(*) FROM tables WHERE seal IS NULL"),
            "0");
    }
    r = open_ok(f->path);
    push_ok(r, "a", 1, "words,users", 100);
    assert_ok(registry_shorten(r, 10, &more, &e), e); /* now the seals alone vouch */
    registry_close(r);
    r = open_ok(f->path);
    assert_int_equal(registry_first(r), 10);
    assert_int_equal(registry_find(r, "words")->generation, 2);
    change_ok(r, CHANGE_LOAD, "gone");
    assert_int_equal(registry_find(r, "gone")->generation, 2);
    registry_close(r);
    registry_close(open_ok(f->path));
}

/* Killed between the migration and the seals. */
static void test_seals_that_are_missing_are_made(void **state)
{
    struct unit_folder *f = *state;
    struct registry *r;

    put_version_1(f);
    registry_close(open_ok(f->path));
    sql_run(unit_path(f, "log.db"), "UPDATE tables SET seal = NULL WHERE name <> 'users'");
    r = open_ok(f->path);
    check_said(r);
    registry_close(r);
    assert_string_equal(
        sql_text(unit_path(f, "log.db"), "SELECT count(*) FROM tables WHERE seal IS NULL"), "0");
}

/* Killed with changes in the -wal only. */
static void test_version_1_after_a_kill_is_migrated(void **state)
{
    struct unit_folder *f = *state, kept;
    struct registry *r;
    sqlite3 *db;

    unit_folder_make(&kept);
    put_version_1(f);
    assert_int_equal(sqlite3_open(unit_path(f, "log.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA journal_mode = WAL; DELETE FROM log; "
                                  "DELETE FROM tables; DELETE FROM files",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL), 0);
    assert_int_equal(sqlite3_exec(db, log_1_rows, NULL, NULL, NULL), SQLITE_OK);
    copy_file(unit_path(f, "log.db"), unit_path(&kept, "log.db"));
    copy_file(unit_path(f, "log.db-wal"), unit_path(&kept, "log.db-wal"));
    copy_file(unit_path(f, "log.mark"), unit_path(&kept, "log.mark"));
    sqlite3_close(db);
    r = open_ok(kept.path);
    check_said(r);
    registry_close(r);
    unit_folder_remove(&kept);
}

static void test_damaged_version_1_is_named(void **state)
{
    static const struct {
        const char *sql, *words;
    } cases[] = {
        {"UPDATE log SET body = '{}' WHERE lsn = 3", "change 3 does not fit its checksum"},
        {"DELETE FROM log WHERE lsn = 3", "change 3 is missing"},
        {"UPDATE tables SET file = '/x' WHERE name = 'ads'", "\"ads\" is not as the log says"},
        {"DELETE FROM tables WHERE name = 'gone'", "\"gone\" is not as the log says"},
        {"DROP VIEW changes", "cannot be brought to version 3"},
        {"DROP TABLE tables", "cannot be brought to version 3"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct registry *r = NULL;
        unsigned char *before, *after;
        struct unit_folder f;
        size_t n, m;
        struct error e;

        unit_folder_make(&f);
        put_version_1(&f);
        sql_run(unit_path(&f, "log.db"), "PRAGMA journal_mode = WAL");
        sql_run(unit_path(&f, "log.db"), cases[i].sql);
        before = bytes_of(unit_path(&f, "log.db"), &n);
        for (int again = 0; again < 2; again++)
            assert_fails(registry_open(&r, f.path, &e), ST_DATA_LOSS, e, cases[i].words);
        after = bytes_of(unit_path(&f, "log.db"), &m);
        assert_int_equal(n, m); /* what was done about it is in the -wal */
        assert_memory_equal(before, after, n);
        free(before);
        free(after);
        unit_folder_remove(&f);
    }
}

static void test_fault_while_migrating(void **state)
{
    static const struct {
        int operation, code;
    } cases[] = {
        {FAULTY_READ, SQLITE_IOERR_READ}, {FAULTY_WRITE, SQLITE_IOERR_WRITE},
        {FAULTY_WRITE, SQLITE_FULL},      {FAULTY_SYNC, SQLITE_IOERR_FSYNC},
        {FAULTY_OPEN, SQLITE_CANTOPEN},
    };

    (void)state;
    faulty_install(); /* the last of the tests, since it stays the default */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool hit = true;

        for (unsigned n = 0; hit; n++) {
            struct faulty fault = {cases[i].operation, n, false, cases[i].code, EIO, 0};
            struct registry *r = NULL;
            struct unit_folder f;
            struct error e;
            enum status st;

            unit_folder_make(&f);
            put_version_1(&f);
            faulty_arm(&fault);
            st = registry_open(&r, f.path, &e);
            hit = fault.hits > 0;
            faulty_arm(NULL);
            assert_true(st == ST_OK || hit);
            if (st == ST_OK)
                registry_close(r);
            r = open_ok(f.path);
            check_said(r);
            push_ok(r, "a", 1, "words", 10);
            registry_close(r);
            unit_folder_remove(&f);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
        TEST(test_version_1_is_migrated),
        TEST(test_seals_that_are_missing_are_made),
        TEST(test_version_1_after_a_kill_is_migrated),
        TEST(test_damaged_version_1_is_named),
        TEST(test_fault_while_migrating),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
