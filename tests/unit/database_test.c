/* SPDX-License-Identifier: Apache-2.0 */
/* How a database of ours comes to be, grows from version to version, and turns away what it is not.
 */
#include <sys/file.h>

#include "storage/database.h"
#include "tests/unit/storage_unit.h"

static const char *const migrations[] = {
    "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1)",
    "ALTER TABLE a ADD COLUMN y TEXT; UPDATE a SET y = 'two'",
    "INSERT INTO a VALUES (3, 'three')",
};

static const char *const broken[] = {
    "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1)",
    "ALTER TABLE a ADD COLUMN y TEXT; INSERT INTO nowhere VALUES (1)",
};

static const char *const statements[] = {"SELECT count(*) FROM a"};

static struct database_format format_of(const char *const *sql, int versions)
{
    return (struct database_format){
        .file = "test.db",
        .application_id = 0x12345678,
        .mode = 0604,
        .page_bytes = 4096,
        .journal = "wal",
        .settings = "PRAGMA synchronous = FULL",
        .busy_ms = 1,
        .migration = sql,
        .migrations = versions,
        .statement = statements,
        .statements = 1,
    };
}

static int setup(void **state)
{
    struct unit_folder *f = calloc(1, sizeof *f);

    unit_folder_make(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    unit_folder_remove(*state);
    free(*state);
    return 0;
}

static const char *state_of(struct unit_folder *f, const char *columns)
{
    static char text[8192];
    char sql[256];

    snprintf(text, sizeof text, "%s", sql_text(unit_path(f, "test.db"), "PRAGMA user_version"));
    snprintf(sql, sizeof sql, "SELECT ' ' || group_concat(%s) FROM a", columns);
    strcat(text, sql_text(unit_path(f, "test.db"), sql));
    return text;
}

static void open_close(struct unit_folder *f, const struct database_format *format)
{
    struct database *d = NULL;
    struct error e;

    assert_ok(database_open(&d, format, f->path, &e), e);
    database_accept(d, true);
    database_close(d);
}

static void test_new_file_has_its_mode_whatever_the_umask(void **state)
{
    struct database_format format = format_of(migrations, 1);
    mode_t old = umask(0777);
    struct stat st;

    open_close(*state, &format);
    umask(old);
    assert_int_equal(stat(unit_path(*state, "test.db"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0604);
    assert_string_equal(sql_text(unit_path(*state, "test.db"), "PRAGMA application_id"),
                        "305419896");
    assert_string_equal(sql_text(unit_path(*state, "test.db"), "PRAGMA journal_mode"), "wal");
}

static void test_migrations_lead_from_any_version_to_the_newest(void **state)
{
    static const char *const states[] = {"1 1", "2 1two", "3 1two,3three"};

    for (int from = 1; from <= 3; from++) {
        struct database_format format = format_of(migrations, from);

        unlink(unit_path(*state, "test.db"));
        open_close(*state, &format);
        assert_string_equal(state_of(*state, from == 1 ? "x" : "x || y"), states[from - 1]);
        format.migrations = 3;
        for (int again = 0; again < 2; again++) {
            open_close(*state, &format);
            assert_string_equal(state_of(*state, "x || y"), states[2]);
        }
    }
}

static void test_failed_migration_leaves_the_old_version(void **state)
{
    struct database_format format = format_of(migrations, 1);
    struct database *d = NULL;
    struct error e;

    open_close(*state, &format);
    format = format_of(broken, 2);
    assert_fails(database_open(&d, &format, ((struct unit_folder *)*state)->path, &e), ST_DATA_LOSS,
                 e, "cannot be brought to version 2: no such table: nowhere");
    assert_string_equal(state_of(*state, "x"), "1 1");
    format = format_of(migrations, 2);
    open_close(*state, &format);
    assert_string_equal(state_of(*state, "x || y"), "2 1two");
}

static void test_file_that_cannot_be_made_leaves_nothing(void **state)
{
    struct database_format format = format_of(broken, 2);
    struct database *d = NULL;
    struct error e;

    assert_fails(database_open(&d, &format, ((struct unit_folder *)*state)->path, &e), ST_DATA_LOSS,
                 e, "no such table");
    assert_int_not_equal(access(unit_path(*state, "test.db"), F_OK), 0);
    assert_int_not_equal(access(unit_path(*state, "test.db.new"), F_OK), 0);
}

static void test_newer_version_is_refused_in_a_sentence(void **state)
{
    struct database_format format = format_of(migrations, 3);
    struct database *d = NULL;
    struct error e;

    open_close(*state, &format);
    format.migrations = 2;
    assert_fails(
        database_open(&d, &format, ((struct unit_folder *)*state)->path, &e), ST_PRECONDITION, e,
        "test.db\" is of version 3, made by a newer embd; this one knows versions up to 2");
    assert_string_equal(state_of(*state, "x || y"), "3 1two,3three");
}

static void test_folder_in_which_another_makes_a_database_is_left_alone(void **state)
{
    const char *folder = ((struct unit_folder *)*state)->path;
    struct database_format format = format_of(migrations, 1);
    int fd = open(folder, O_RDONLY | O_DIRECTORY);
    struct database *d = NULL;
    struct error e;

    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_fails(database_open(&d, &format, folder, &e), ST_UNAVAILABLE, e,
                 "another process is using");
    close(fd);
    open_close(*state, &format);
}

static void test_statement_gives_rows_and_errors(void **state)
{
    struct database_format format = format_of(migrations, 1);
    struct database *d = NULL;
    struct error e;
    bool row = false;

    assert_ok(database_open(&d, &format, ((struct unit_folder *)*state)->path, &e), e);
    for (int i = 0; i < 2; i++) { /* as often as one likes */
        assert_ok(database_step(d, database_statement(d, 0), &row, &e), e);
        assert_true(row);
    }
    assert_ok(database_run(d, database_statement(d, 0), &e), e);
    assert_fails(database_execute(d, "INSERT INTO a VALUES ('text')", &e), ST_INTERNAL, e,
                 "test.db: cannot store TEXT value in INTEGER column");
    assert_ok(database_begin(d, &e), e);
    assert_ok(database_execute(d, "INSERT INTO a VALUES (2)", &e), e);
    database_rollback(d);
    database_rollback(d);
    assert_ok(database_begin(d, &e), e);
    assert_ok(database_commit(d, &e), e);
    assert_false(d->failed);
    database_accept(d, true);
    database_close(d);
    assert_string_equal(state_of(*state, "x"), "1 1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_new_file_has_its_mode_whatever_the_umask),
        TEST(test_migrations_lead_from_any_version_to_the_newest),
        TEST(test_failed_migration_leaves_the_old_version),
        TEST(test_file_that_cannot_be_made_leaves_nothing),
        TEST(test_newer_version_is_refused_in_a_sentence),
        TEST(test_folder_in_which_another_makes_a_database_is_left_alone),
        TEST(test_statement_gives_rows_and_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
