/* SPDX-License-Identifier: Apache-2.0 */
/* Ids that come and go in the log: rows before the push that brings them in, rows of their own, and
   what cannot be. */
#include "storage/growth_body.h"
#include "tests/unit/push_unit.h"

static const int64_t keys[] = {-5, 0, INT64_MAX};
static const uint64_t rows[] = {7, 0, UINT64_MAX};

static struct growth_row growth(const char *table, uint64_t version, size_t count)
{
    struct growth_row g = {
        .generation = 1, .version = version, .keys = keys, .rows = rows, .count = count};

    snprintf(g.name, sizeof g.name, "%s", table);
    return g;
}

static void test_body_comes_back(void **state)
{
    unsigned char data[256];

    (void)state;
    for (size_t count = 0; count <= 3; count++) {
        struct growth_row g = growth("a.b-c", 9, count), back;
        size_t n = growth_body_size(&g);

        growth_body_write(data, &g);
        assert_true(growth_body_read(&back, data, n));
        assert_string_equal(back.name, "a.b-c");
        assert_true(back.generation == 1 && back.version == 9 && back.count == count);
        assert_memory_equal(back.keys, keys, count * 8);
        assert_memory_equal(back.rows, rows, count * 8);
        for (size_t shorter = 0; shorter < n; shorter++)
            assert_false(growth_body_read(&back, data, shorter));
        assert_false(growth_body_read(&back, data, n + 1));
        for (size_t at = 0; at < strlen("a.b-c") + 1 + 8; at++) { /* name and form */
            data[at] ^= 0x80;
            assert_false(growth_body_read(&back, data, n));
            data[at] ^= 0x80;
        }
    }
}

/* What a replay hands over of such rows: "lsn:a|e table-version keys rows". */
static enum status tell(void *context, const struct logged *l, struct error *e)
{
    char *text = context;
    size_t at = strlen(text);
    int64_t key;
    uint64_t row;

    (void)e;
    if (!l->growth) {
        assert_true(l->kind != CHANGE_ADMIT && l->kind != CHANGE_EVICT);
        snprintf(text + at, 1024 - at, "%d; ", (int)l->lsn);
        return ST_OK;
    }
    assert_true(l->growth->lsn == l->lsn && l->growth->time_us == l->time_us);
    snprintf(text + at, 1024 - at, "%d:%c %s-%d", (int)l->lsn, l->kind == CHANGE_ADMIT ? 'a' : 'e',
             l->growth->name, (int)l->growth->version);
    for (size_t i = 0; i < l->growth->count; i++) {
        memcpy(&key, (const char *)l->growth->keys + 8 * i, 8);
        memcpy(&row, (const char *)l->growth->rows + 8 * i, 8);
        assert_true(key == keys[i] && row == rows[i]);
    }
    strcat(text, l->growth->count == 3 ? " 3; " : " 1; ");
    return ST_OK;
}

static void test_rows_in_their_order(void **state)
{
    struct registry *r = open_with_tables(state);
    struct growth_row two[2], gone = growth("ads", 200, 3);
    struct push_row row[2];
    char text[1024];
    struct made m[2];
    struct error e;
    bool more;

    make_push(&m[0], r, 0, "a", 1, "ads", 100);
    make_push(&m[1], r, 1, "", 0, "users,ads", 10);
    two[0] = growth("users", m[1].table[0].version, 3);
    two[1] = growth("ads", m[1].table[1].version, 1);
    row[0] = m[0].row;
    row[1] = m[1].row;
    row[1].growth = two;
    row[1].growths = 2;
    assert_ok(registry_push(r, row, 2, true, &e), e);
    assert_true(row[0].lsn == 3 && two[0].lsn == 4 && two[1].lsn == 5 && row[1].lsn == 6);
    assert_true(two[1].time_us == row[0].time_us && row[1].time_us == row[0].time_us);
    assert_ok(registry_evict(r, &gone, &e), e);
    assert_int_equal(gone.lsn, 7);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(registry_lsn(r), 7);
        *text = '\0';
        assert_ok(registry_replay(r, 0, tell, text, &e), e);
        assert_string_equal(text, "1; 2; 3; 4:a users-104 3; 5:a ads-104 1; 6; 7:e ads-200 3; ");
        r = reopen(r, state);
    }

    /* What would be taken for damage is not written. */
    gone.version = 200;
    assert_fails(registry_evict(r, &gone, &e), ST_INTERNAL, e, "do not follow");
    gone = growth("ads", 300, 1);
    gone.generation = 2;
    assert_fails(registry_evict(r, &gone, &e), ST_INTERNAL, e, "do not follow");
    gone = growth("none", 300, 1);
    assert_fails(registry_evict(r, &gone, &e), ST_NOT_FOUND, e, "\"none\" is not served");
    row[1].table = m[1].table;
    m[1].table[0].version = m[1].table[1].version = 400;
    assert_fails(registry_push(r, &row[1], 1, true, &e), ST_INTERNAL, e, "do not follow");
    assert_int_equal(registry_lsn(r), 7);
    two[0].version = two[1].version = 400;
    assert_ok(registry_push(r, &row[1], 1, true, &e), e);
    assert_int_equal(row[1].lsn, 10);
    assert_ok(registry_shorten(r, 8, &more, &e), e); /* also between such a row and its push */
    r = reopen(r, state);
    *text = '\0';
    assert_ok(registry_replay(r, 0, tell, text, &e), e);
    assert_string_equal(text, "9:a ads-400 1; 10; ");
    registry_close(r);
    free_push(&m[0]);
    free_push(&m[1]);
}

static void test_is_shown_to_people(void **state)
{
    struct registry *r = open_with_tables(state);
    struct growth_row gone = growth("users", 200, 3);
    struct error e;

    assert_ok(registry_evict(r, &gone, &e), e);
    registry_close(r);
    assert_string_equal(sql_text(unit_path(*state, "log.db"),
                                 "SELECT kind || ' ' || tables || ' ' || bytes FROM changes "
                                 "WHERE lsn = 3"),
                        "evict users 86");
}

/* Rows that fit their checksums and yet cannot be. */
static void test_damage_is_named(void **state)
{
    static const struct {
        const char *sql, *words;
    } cases[] = {
        {"UPDATE log SET kind = 8 WHERE lsn = 3", "change 3 does not fit its checksum"},
        {"UPDATE log SET body = CAST('x' AS BLOB) WHERE lsn = 3", "does not fit its checksum"},
        {"UPDATE log SET trainer = 'a' WHERE lsn = 3", "change 3 does not say what its kind does"},
        {"DELETE FROM log WHERE lsn = 3", "change 3 is missing"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct unit_folder f;
        struct growth_row gone = growth("users", 200, 3);
        struct registry *r;
        struct error e;

        unit_folder_make(&f);
        r = open_ok(f.path);
        change_ok(r, CHANGE_LOAD, "ads");
        change_ok(r, CHANGE_LOAD, "users");
        assert_ok(registry_evict(r, &gone, &e), e);
        gone.version++;
        assert_ok(registry_evict(r, &gone, &e), e);
        registry_close(r);
        sql_run(unit_path(&f, "log.db"), cases[i].sql);
        assert_fails(registry_open(&r, f.path, &e), ST_DATA_LOSS, e, cases[i].words);
        unit_folder_remove(&f);
    }
    (void)state;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body_comes_back),
        TEST(test_rows_in_their_order),
        TEST(test_is_shown_to_people),
        TEST(test_damage_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
