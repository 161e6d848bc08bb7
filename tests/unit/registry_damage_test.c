/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a log is named, and nothing of it is touched: ruined files, lost and foreign
   ones, and hundreds of flipped bytes. */
#include "tests/unit/registry_scene.h"

static void ruin_empty(struct scene *s)
{
    unit_write(s->db, "", 0);
}

static void ruin_text(struct scene *s)
{
    char text[5000];

    memset(text, 'a', sizeof text);
    unit_write(s->db, text, sizeof text);
}

static void ruin_short(struct scene *s)
{
    unit_write(s->db, "SQLite format 3", 16);
}

static void ruin_half(struct scene *s)
{
    settle(s);
    assert_int_equal(truncate(s->db, 3 * 4096), 0);
}

static void ruin_last_page(struct scene *s)
{
    struct stat st;

    settle(s);
    assert_int_equal(stat(s->db, &st), 0);
    assert_int_equal(truncate(s->db, st.st_size - 4096), 0);
}

static void ruin_foreign(struct scene *s)
{
    unlink(s->db);
    unlink(s->wal);
    sql_run(s->db, "CREATE TABLE log (lsn INTEGER PRIMARY KEY)");
}

static void ruin_removed(struct scene *s)
{
    unlink(s->db);
    unlink(s->wal);
}

static void ruin_removed_but_wal(struct scene *s)
{
    unlink(s->db);
    unlink(s->mark);
}

static void ruin_wal_removed(struct scene *s)
{
    unlink(s->wal);
}

static void ruin_wal_cut(struct scene *s)
{
    struct stat st;

    assert_int_equal(stat(s->wal, &st), 0);
    assert_int_equal(truncate(s->wal, st.st_size / 2), 0);
}

static void ruin_wal_zeroed(struct scene *s)
{
    static const char zeros[4096];

    unit_write(s->wal, zeros, sizeof zeros);
}

static void ruin_wal_foreign(struct scene *s)
{
    char folder[PATH_MAX];
    struct registry *r;

    snprintf(folder, sizeof folder, "%s/other", s->folder.path);
    assert_int_equal(mkdir(folder, 0700), 0);
    r = open_ok(folder);
    for (int i = 0; i < 60; i++) {
        char name[64];

        snprintf(name, sizeof name, "x%d", i);
        change_ok(r, CHANGE_LOAD, name);
    }
    copy_file(unit_path(&s->folder, "other/log.db-wal"), s->wal);
    registry_close(r);
}

static void ruin_older_copy(struct scene *s)
{
    copy_file(s->old, s->db);
    unlink(s->wal);
}

static void ruin_mark_text(struct scene *s)
{
    unit_write(s->mark, "lsn 00000000000000000001 row 0123456789abcdef checksum 0123456789abcdef\n",
               72);
}

static void ruin_mark_empty(struct scene *s)
{
    unit_write(s->mark, "", 0);
}

static void ruin_mark_long(struct scene *s)
{
    FILE *file = fopen(s->mark, "a");

    fputs("\n", file);
    fclose(file);
}

static void ruin_into_folder(struct scene *s)
{
    unlink(s->db);
    assert_int_equal(mkdir(s->db, 0700), 0);
}

static void ruin_into_fifo(struct scene *s)
{
    unlink(s->db);
    assert_int_equal(mkfifo(s->db, 0600), 0);
}

static void ruin_into_link(struct scene *s)
{
    settle(s);
    assert_int_equal(rename(s->db, unit_path(&s->folder, "elsewhere")), 0);
    assert_int_equal(symlink("elsewhere", s->db), 0);
}

static const struct ruin ruins[] = {
    {"empty", ruin_empty, NULL, ST_DATA_LOSS, "log.db\" is damaged: it is empty"},
    {"text", ruin_text, NULL, ST_DATA_LOSS, "log.db\" is damaged: it is no SQLite database"},
    {"short", ruin_short, NULL, ST_DATA_LOSS, "it is no SQLite database"},
    {"half", ruin_half, NULL, ST_DATA_LOSS, "log.db\" is damaged: "},
    {"last page", ruin_last_page, NULL, ST_DATA_LOSS, "log.db\" is damaged: "},
    {"foreign", ruin_foreign, NULL, ST_PRECONDITION, "log.db\" is another program's database"},
    {"removed", ruin_removed, NULL, ST_DATA_LOSS, "log.db\" is missing: log.mark says"},
    {"removed but -wal", ruin_removed_but_wal, NULL, ST_DATA_LOSS, "missing, its -wal is there"},
    {"-wal removed", ruin_wal_removed, NULL, ST_DATA_LOSS, "ends at change 2, log.mark says"},
    {"-wal cut", ruin_wal_cut, NULL, ST_DATA_LOSS, "log.mark says that it had come to 5"},
    {"-wal zeroed", ruin_wal_zeroed, NULL, ST_DATA_LOSS, "its -wal is missing or damaged"},
    {"-wal foreign", ruin_wal_foreign, NULL, ST_DATA_LOSS, "belongs to another log"},
    {"older copy", ruin_older_copy, NULL, ST_DATA_LOSS, "or it is an older copy"},
    {"mark wrong", ruin_mark_text, NULL, ST_DATA_LOSS, "log.mark\" is damaged"},
    {"mark empty", ruin_mark_empty, NULL, ST_DATA_LOSS, "log.mark\" is damaged"},
    {"mark long", ruin_mark_long, NULL, ST_DATA_LOSS, "log.mark\" is damaged"},
    {"folder", ruin_into_folder, NULL, ST_INVALID, "log.db\" is a directory"},
    {"FIFO", ruin_into_fifo, NULL, ST_INVALID, "log.db\" is a FIFO"},
    {"link", ruin_into_link, NULL, ST_INVALID, "log.db\" is a link"},
    {"statistics", NULL, "PRAGMA application_id = 0x656d6273", ST_PRECONDITION,
     "application_id is 0x656d6273, not 0x656d6264"},
    {"newer", NULL, "PRAGMA user_version = 4", ST_PRECONDITION, "of version 4, made by a newer"},
    {"no version", NULL, "PRAGMA user_version = 0", ST_DATA_LOSS, "there is no version 0"},
    {"negative version", NULL, "PRAGMA user_version = -1", ST_DATA_LOSS, "there is no version -1"},
    {"first row gone", NULL, "DELETE FROM log WHERE lsn = 1", ST_DATA_LOSS, "change 1 is missing"},
    {"row gone", NULL, "DELETE FROM log WHERE lsn = 3", ST_DATA_LOSS, "change 3 is missing"},
    {"last row gone", NULL, "DELETE FROM log WHERE lsn = 5", ST_DATA_LOSS, "\"words\" is not as"},
    {"last row and table gone", NULL,
     "DELETE FROM log WHERE lsn > 3; DELETE FROM tables WHERE lsn > 3", ST_DATA_LOSS,
     "ends at change 3, log.mark says that it had come to 5"},
    {"all gone", NULL, "DELETE FROM log; DELETE FROM tables", ST_DATA_LOSS, "ends at change 0"},
    {"rows swapped", NULL,
     "UPDATE log SET lsn = 9 WHERE lsn = 1; UPDATE log SET lsn = 1 WHERE lsn = 2; "
     "UPDATE log SET lsn = 2 WHERE lsn = 9",
     ST_DATA_LOSS, "change 1 does not fit its checksum"},
    {"kind", NULL, "UPDATE log SET kind = 2 WHERE lsn = 2", ST_DATA_LOSS, "change 2 does not fit"},
    {"time", NULL, "UPDATE log SET time_us = time_us + 1 WHERE lsn = 4", ST_DATA_LOSS,
     "change 4 does not fit"},
    {"checksum", NULL, "UPDATE log SET checksum = checksum + 1 WHERE lsn = 4", ST_DATA_LOSS,
     "change 4 does not fit"},
    {"body", NULL, "UPDATE log SET body = replace(body, 'ads', 'odd') WHERE lsn = 1", ST_DATA_LOSS,
     "change 1 does not fit"},
    {"body not text", NULL, "UPDATE log SET body = CAST(body AS BLOB) WHERE lsn = 1", ST_DATA_LOSS,
     "change 1 does not say what its kind does"},
    {"body empty", NULL, "UPDATE log SET body = '' WHERE lsn = 1", ST_DATA_LOSS, "change 1 does"},
    {"state", NULL, "UPDATE tables SET state = 1 WHERE name = 'words'", ST_DATA_LOSS,
     "table \"words\" is not as the log says"},
    {"file", NULL, "UPDATE tables SET file = '/etc/passwd' WHERE name = 'ads'", ST_DATA_LOSS,
     "table \"ads\" is not as the log says"},
    {"options", NULL, "UPDATE tables SET options = '{}' WHERE name = 'ads'", ST_DATA_LOSS,
     "table \"ads\" is not"},
    {"options not JSON", NULL, "UPDATE tables SET options = '{' WHERE name = 'ads'", ST_DATA_LOSS,
     "cannot be read"},
    {"generation", NULL, "UPDATE tables SET generation = 5 WHERE name = 'ads'", ST_DATA_LOSS,
     "table \"ads\" is not"},
    {"version", NULL, "UPDATE tables SET version = 8 WHERE name = 'ads'", ST_DATA_LOSS,
     "table \"ads\" is not"},
    {"registered by", NULL, "UPDATE tables SET registered_by = 0 WHERE name = 'ads'", ST_DATA_LOSS,
     "table \"ads\" is not"},
    {"identity", NULL, "UPDATE tables SET size = 1 WHERE name = 'ads'", ST_DATA_LOSS,
     "table \"ads\" is not"},
    {"table's checksum", NULL, "UPDATE tables SET checksum = 1 WHERE name = 'ads'", ST_DATA_LOSS,
     "table \"ads\" is not"},
    {"older row", NULL, "UPDATE tables SET lsn = 1 WHERE name = 'ads'", ST_DATA_LOSS,
     "table \"ads\" is not"},
    {"table gone", NULL, "DELETE FROM tables WHERE name = 'users'", ST_DATA_LOSS,
     "table \"users\" is not"},
    {"table more", NULL,
     "INSERT INTO tables SELECT 'more', state, 99, time_us, generation, version, registered_by, "
     "file, options, device, inode, size, mtime_ns, ctime_ns, checksum, trainable, header_hash, "
     "seal FROM tables LIMIT 1",
     ST_DATA_LOSS, "table \"more\" is not"},
    {"table without files", NULL, "DROP TABLE files", ST_DATA_LOSS, "its schema is not ours"},
    {"column renamed", NULL, "ALTER TABLE tables RENAME COLUMN file TO path", ST_DATA_LOSS,
     "its schema is not ours"},
};

static void test_damage_is_named_and_nothing_touched(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ruins / sizeof ruins[0]; i++)
        check_ruin(&ruins[i], make_changes);
}

static void test_crashed_log_is_whole(void **state)
{
    struct scene *s = *state;
    struct registry *r = open_ok(s->folder.path);
    char text[4096];

    describe(r, text, sizeof text);
    assert_string_equal(text, "5: ads /srv/file.safetensors {\"memory\":\"map\"} 1 7 3 1 "
                              "fedcba9876543210 77, users /srv/file.safetensors "
                              "{\"memory\":\"map\"} 1 7 2 1 fedcba9876543210 77, words "
                              "/srv/file.safetensors {\"memory\":\"map\"} 1 7 5 0 "
                              "fedcba9876543210 77,");
    registry_close(r);
}

static void test_log_without_a_mark_gets_one(void **state)
{
    struct scene *s = *state;

    unlink(s->mark);
    settle(s);
    unlink(s->db);
    struct registry *r = NULL;
    struct error e;

    assert_fails(registry_open(&r, s->folder.path, &e), ST_DATA_LOSS, e, "had come to change 5");
    unlink(s->mark); /* a person who wants to begin anew removes both */
    r = open_ok(s->folder.path);
    assert_int_equal(registry_lsn(r), 0);
    registry_close(r);
}

static void test_crash_while_creating_leaves_nothing_in_the_way(void **state)
{
    struct scene *s = *state;
    struct registry *r;

    ruin_removed(s);
    unlink(s->mark);
    unit_write(unit_path(&s->folder, "log.db.new"), "half", 4);
    r = open_ok(s->folder.path);
    change_ok(r, CHANGE_LOAD, "ads");
    registry_close(r);
    assert_int_not_equal(access(unit_path(&s->folder, "log.db.new"), F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damage_is_named_and_nothing_touched),
        cmocka_unit_test_setup_teardown(test_crashed_log_is_whole, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_without_a_mark_gets_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_crash_while_creating_leaves_nothing_in_the_way, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
