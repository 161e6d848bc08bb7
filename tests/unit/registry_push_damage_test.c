/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a log of pushes is named, and nothing of it is touched: rows, positions, the
   record of the front, seals, the index, and rows that are well-formed and yet cannot be. */
#include <endian.h>

#include "storage/push_body.h"
#include "tests/unit/log_push_scene.h"

/* Swap the index of pushes for one that leaves out a row. */
static void ruin_index(struct scene *s)
{
    int mine, other;
    char sql[256];

    settle(s);
    sql_run(s->db, "CREATE INDEX other ON log (trainer, sequence) WHERE kind = 6 AND "
                   "trainer IS NOT NULL AND lsn <> 10");
    mine = atoi(sql_text(s->db, "SELECT rootpage FROM sqlite_master WHERE name = 'log_pushes'"));
    other = atoi(sql_text(s->db, "SELECT rootpage FROM sqlite_master WHERE name = 'other'"));
    snprintf(sql, sizeof sql,
             "PRAGMA writable_schema = ON; "
             "UPDATE sqlite_master SET rootpage = iif(name = 'other', %d, %d) "
             "WHERE name IN ('other', 'log_pushes')",
             mine, other);
    sql_run(s->db, sql);
}

/* A row of the log, with the rest of it made to fit again. */
struct rewriting {
    struct push_row row;
    struct push_table table[MADE_TABLES];
    int64_t time_us;
};

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s;

    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    return s;
}

static void write_again(sqlite3 *db, uint64_t lsn, const struct rewriting *w)
{
    uint64_t numbers[3] = {htole64(lsn), htole64(CHANGE_PUSH), htole64((uint64_t)w->time_us)};
    unsigned char *data;
    sqlite3_stmt *s;
    size_t n;

    assert_true(push_body_size(&w->row, &n));
    data = malloc(24 + n);
    assert_non_null(data);
    memcpy(data, numbers, 24);
    push_body_write(data + 24, &w->row);
    s = prepare(db, "UPDATE log SET checksum = ?, trainer = nullif(?, ''), "
                    "sequence = nullif(?, 0), body = ? WHERE lsn = ?");
    sqlite3_bind_int64(s, 1, (sqlite3_int64)hash_bytes(data, 24 + n));
    sqlite3_bind_text(s, 2, w->row.trainer, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 3, (sqlite3_int64)w->row.sequence);
    sqlite3_bind_blob(s, 4, data + 24, (int)n, SQLITE_STATIC);
    sqlite3_bind_int64(s, 5, (sqlite3_int64)lsn);
    assert_int_equal(sqlite3_step(s), SQLITE_DONE);
    sqlite3_finalize(s);
    free(data);
}

/* Change a push so that no checksum tells. */
static void rewrite(struct scene *s, uint64_t lsn, void (*how)(struct rewriting *w))
{
    struct push_body body;
    struct rewriting w;
    sqlite3_stmt *read;
    sqlite3 *db;

    settle(s);
    assert_int_equal(sqlite3_open(s->db, &db), SQLITE_OK);
    read = prepare(db, "SELECT time_us, body FROM log WHERE lsn = ?");
    sqlite3_bind_int64(read, 1, (sqlite3_int64)lsn);
    assert_int_equal(sqlite3_step(read), SQLITE_ROW);
    assert_true(
        push_body_read(&body, sqlite3_column_blob(read, 1), (size_t)sqlite3_column_bytes(read, 1)));
    w.time_us = sqlite3_column_int64(read, 0);
    w.row = body.row;
    w.row.table = w.table;
    for (size_t i = 0; push_body_table(&body, &w.table[i]);)
        i++;
    how(&w);
    write_again(db, lsn, &w);
    sqlite3_finalize(read);
    sqlite3_close(db);
}

static void skip_sequence(struct rewriting *w)
{
    w->row.sequence++;
}

static void first_again(struct rewriting *w)
{
    w->row.sequence = 1;
}

static void other_content(struct rewriting *w)
{
    w->row.content[1]++;
}

static void other_trainer(struct rewriting *w)
{
    w->row.trainer = "e";
}

static void later_life(struct rewriting *w)
{
    w->table[0].generation++;
}

static void no_life(struct rewriting *w)
{
    w->table[0].generation = 0;
}

static void older_version(struct rewriting *w)
{
    w->table[0].version = 104;
}

static void other_table(struct rewriting *w)
{
    strcpy(w->table[0].name, "none");
}

static void ruin_sequence(struct scene *s)
{
    rewrite(s, 10, skip_sequence);
}

static void ruin_sequence_back(struct scene *s)
{
    rewrite(s, 10, first_again);
}

static void ruin_last_sequence(struct scene *s)
{
    rewrite(s, 11, skip_sequence);
}

static void ruin_content(struct scene *s)
{
    rewrite(s, 10, other_content);
}

static void ruin_trainer(struct scene *s)
{
    rewrite(s, 11, other_trainer);
}

static void ruin_later_life(struct scene *s)
{
    rewrite(s, 11, later_life);
}

static void ruin_no_life(struct scene *s)
{
    rewrite(s, 11, no_life);
}

static void ruin_older_version(struct scene *s)
{
    rewrite(s, 11, older_version);
}

static void ruin_other_table(struct scene *s)
{
    rewrite(s, 9, other_table);
}

static void ruin_older_position(struct scene *s)
{
    char sql[PATH_MAX + 256];

    settle(s);
    snprintf(sql, sizeof sql,
             "ATTACH '%s' AS older; DELETE FROM trainers WHERE name = 'a'; "
             "INSERT INTO trainers SELECT * FROM older.trainers WHERE name = 'a'",
             s->old);
    sql_run(s->db, sql);
}

static const char *const front_words = "how far it was deleted does not fit its seal";
static const char *const missing_words = "a table or a trainer that it had is missing";

static void test_damage_is_named_and_nothing_touched(void **state)
{
    const struct ruin ruins[] = {
        {"front", NULL, "UPDATE front SET lsn = 6", ST_DATA_LOSS, front_words},
        {"front's checksum", NULL, "UPDATE front SET checksum = 6", ST_DATA_LOSS, front_words},
        {"front's names", NULL, "UPDATE front SET names = 6", ST_DATA_LOSS, front_words},
        {"front's seal", NULL, "UPDATE front SET seal = seal + 1", ST_DATA_LOSS, front_words},
        {"no front", NULL, "DELETE FROM front", ST_DATA_LOSS, front_words},
        {"trainer renamed", NULL, "UPDATE trainers SET name = 'x' WHERE name = 'b'", ST_DATA_LOSS,
         "trainer \"x\" does not fit its seal"},
        {"trainer without a name", NULL, "UPDATE trainers SET name = 'x y' WHERE name = 'b'",
         ST_DATA_LOSS, "it has a trainer without a name"},
        {"trainer more", NULL,
         "INSERT INTO trainers SELECT 'z', sequence, content_low, content_high, lsn, time_us, seal "
         "FROM trainers WHERE name = 'b'",
         ST_DATA_LOSS, "trainer \"z\" does not fit its seal"},
        {"trainer gone", NULL, "DELETE FROM trainers WHERE name = 'b'", ST_DATA_LOSS,
         missing_words},
        {"logged trainer gone", NULL, "DELETE FROM trainers WHERE name = 'a'", ST_DATA_LOSS,
         "trainer \"a\" is not as the log says"},
        {"older position", ruin_older_position, NULL, ST_DATA_LOSS,
         "trainer \"a\" is not as the log says"},
        {"table gone", NULL, "DELETE FROM tables WHERE name = 'quiet'", ST_DATA_LOSS,
         missing_words},
        {"pushed table gone", NULL, "DELETE FROM tables WHERE name = 'ads'", ST_DATA_LOSS,
         "table \"ads\" is not as the log says"},
        {"logged table's seal", NULL, "UPDATE tables SET seal = 1 WHERE name = 'users'",
         ST_DATA_LOSS, "table \"users\" does not fit its seal"},
        {"logged table trainable", NULL, "UPDATE tables SET trainable = 1 WHERE name = 'users'",
         ST_DATA_LOSS, "table \"users\" is not as the log says"},
        {"logged table's header", NULL, "UPDATE tables SET header_hash = 1 WHERE name = 'users'",
         ST_DATA_LOSS, "table \"users\" is not as the log says"},
        {"change that is a push", NULL, "UPDATE tables SET lsn = 10 WHERE name = 'users'",
         ST_DATA_LOSS, "table \"users\" is not as the log says"},
        {"first row gone", NULL, "DELETE FROM log WHERE lsn = 6", ST_DATA_LOSS,
         "change 6 is missing"},
        {"row gone", NULL, "DELETE FROM log WHERE lsn = 9", ST_DATA_LOSS, "change 9 is missing"},
        {"last rows gone", NULL, "DELETE FROM log WHERE lsn > 9", ST_DATA_LOSS,
         "\"users\" is not as the log says"},
        {"row of another trainer", NULL, "UPDATE log SET trainer = 'b' WHERE lsn = 10",
         ST_DATA_LOSS, "change 10 does not say what its kind does"},
        {"row of nobody", NULL, "UPDATE log SET trainer = NULL WHERE lsn = 10", ST_DATA_LOSS,
         "change 10 does not say"},
        {"row of another number", NULL, "UPDATE log SET sequence = 4 WHERE lsn = 10", ST_DATA_LOSS,
         "change 10 does not say"},
        {"table with a trainer", NULL, "UPDATE log SET trainer = 'a' WHERE lsn = 12", ST_DATA_LOSS,
         "change 12 does not say"},
        {"another is forgotten", NULL, "UPDATE log SET trainer = 'a' WHERE lsn = 8", ST_DATA_LOSS,
         "change 8 does not say"},
        {"forgotten later", NULL, "UPDATE log SET sequence = 2 WHERE lsn = 8", ST_DATA_LOSS,
         "change 8 does not say"},
        {"body cut", NULL, "UPDATE log SET body = substr(body, 1, length(body) - 1) WHERE lsn = 11",
         ST_DATA_LOSS, "change 11 does not fit its checksum"},
        {"body a text", NULL, "UPDATE log SET body = CAST(body AS TEXT) WHERE lsn = 6",
         ST_DATA_LOSS, "change 6 does not"},
        {"kind", NULL, "UPDATE log SET kind = 8 WHERE lsn = 6", ST_DATA_LOSS, "change 6 does not"},
        {"sequence skipped", ruin_sequence, NULL, ST_DATA_LOSS,
         "change 10 is out of its trainer's sequence"},
        {"sequence goes back", ruin_sequence_back, NULL, ST_DATA_LOSS,
         "change 10 is out of its trainer's sequence"},
        {"another last", ruin_last_sequence, NULL, ST_DATA_LOSS, "\"d\" is not as the log says"},
        {"another content", ruin_content, NULL, ST_DATA_LOSS, "\"a\" is not as the log says"},
        {"another trainer", ruin_trainer, NULL, ST_DATA_LOSS, "\"d\" is not as the log says"},
        {"life to come", ruin_later_life, NULL, ST_DATA_LOSS,
         "table \"ads\" is not as the log says"},
        {"no life", ruin_no_life, NULL, ST_DATA_LOSS, "change 11 is of another life of its table"},
        {"older version", ruin_older_version, NULL, ST_DATA_LOSS,
         "change 11 goes back in the versions of its table"},
        {"unknown table", ruin_other_table, NULL, ST_DATA_LOSS,
         "table \"none\" is not as the log says"},
        {"row that is not in the index", ruin_index, NULL, ST_DATA_LOSS,
         "change 10 is not in the index of pushes"},
        {"no index", NULL, "DROP INDEX log_pushes", ST_DATA_LOSS, "its schema is not ours"},
        {"no trainers", NULL, "DROP TABLE trainers", ST_DATA_LOSS, "its schema is not ours"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof ruins / sizeof ruins[0]; i++)
        check_ruin(&ruins[i], make_push_changes);
}

/* Every column of what no row of the log vouches for any more. */
static void test_sealed_columns_are_held_against_their_seal(void **state)
{
    static const struct {
        const char *table, *name, *set;
    } cases[] = {
        {"trainers", "b", "sequence = 2"},     {"trainers", "b", "content_low = 2"},
        {"trainers", "b", "content_high = 2"}, {"trainers", "b", "lsn = 4"},
        {"trainers", "b", "time_us = 4"},      {"trainers", "b", "seal = 4"},
        {"tables", "quiet", "state = 2"},      {"tables", "quiet", "lsn = 2"},
        {"tables", "quiet", "time_us = 2"},    {"tables", "quiet", "generation = 2"},
        {"tables", "quiet", "version = 2"},    {"tables", "quiet", "registered_by = 0"},
        {"tables", "quiet", "file = '/x'"},    {"tables", "quiet", "options = '{}'"},
        {"tables", "quiet", "device = 1"},     {"tables", "quiet", "inode = 1"},
        {"tables", "quiet", "size = 1"},       {"tables", "quiet", "mtime_ns = 1"},
        {"tables", "quiet", "ctime_ns = 1"},   {"tables", "quiet", "checksum = 1"},
        {"tables", "quiet", "trainable = 1"},  {"tables", "quiet", "header_hash = 1"},
        {"tables", "quiet", "seal = 1"},       {"tables", "quiet", "seal = NULL"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char sql[256], words[64];
        struct ruin ruin = {cases[i].set, NULL, sql, ST_DATA_LOSS, words};

        snprintf(sql, sizeof sql, "UPDATE %s SET %s WHERE name = '%s'", cases[i].table,
                 cases[i].set, cases[i].name);
        snprintf(words, sizeof words, "\"%s\" does not fit its seal", cases[i].name);
        check_ruin(&ruin, make_push_changes);
    }
}

static void test_crashed_log_is_whole(void **state)
{
    struct scene *s = scene_new(make_push_changes);
    static char text[1 << 17];
    struct registry *r = open_ok(s->folder.path);
    void *own = s;

    (void)state;
    describe_all(r, text, sizeof text);
    assert_non_null(strstr(text, " first 5,"));
    assert_non_null(strstr(text, " 3 trainers; a 3 10 "));
    assert_non_null(strstr(text, " b 1 5 "));
    assert_non_null(strstr(text, " d 1 11 "));
    assert_non_null(strstr(text, "6:a 2 ads 1-106; 7:c 1 users 1-107; 8:kind 7 - 0; "
                                 "9: 0 users 1-109; 10:a 3 users 1-110 ads 1-110; "
                                 "11:d 1 ads 1-111; 12:kind 5 users 1; "));
    registry_close(r);
    teardown(&own);
}

/* A bit that flips while the log is open is seen when its row is read again. */
static void test_damage_is_seen_by_replay_and_find(void **state)
{
    struct scene *s = scene_new(make_push_changes);
    static unsigned char zeros[600];
    uint64_t content[2], lsn;
    struct registry *r;
    struct error e;
    struct told told = {0};
    void *own = s;
    size_t tables, n;
    unsigned char *data, *found;
    FILE *file;

    (void)state;
    settle(s);
    r = open_ok(s->folder.path);
    push_ok(r, "long", 1, "ads", 3 << 20); /* the pages before leave SQLite's cache */
    assert_ok(registry_checkpoint(r, true, &e), e);
    assert_ok(registry_replay(r, 11, tell_row, &told, &e), e);
    data = malloc(20000);
    fill_message(data, 20000, "d", 1);
    copy_file(s->db, unit_path(&s->folder, "copy"));
    unsigned char *all = bytes_of(unit_path(&s->folder, "copy"), &n);
    found = memmem(all, n, data + 9000, sizeof zeros);
    assert_non_null(found);
    file = fopen(s->db, "r+b");
    assert_int_equal(fseek(file, found - all, SEEK_SET), 0);
    assert_int_equal(fwrite(zeros, 1, sizeof zeros, file), sizeof zeros);
    /* Closing would take the locks of this process with it. */
    fflush(file);
    memset(&told, 0, sizeof told);
    assert_fails(registry_replay(r, 0, tell_row, &told, &e), ST_DATA_LOSS, e,
                 "change 11 does not fit its checksum");
    assert_int_equal(told.last, 10);
    assert_fails(registry_push_find(r, "d", 1, content, &lsn, NULL, 0, &tables, &e), ST_DATA_LOSS,
                 e, "change 11 does not fit its checksum");
    assert_ok(registry_push_find(r, "a", 3, content, &lsn, NULL, 0, &tables, &e), e);
    registry_close(r);
    fclose(file);
    free(all);
    free(data);
    teardown(&own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damage_is_named_and_nothing_touched),
        cmocka_unit_test(test_sealed_columns_are_held_against_their_seal),
        cmocka_unit_test(test_crashed_log_is_whole),
        cmocka_unit_test(test_damage_is_seen_by_replay_and_find),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
