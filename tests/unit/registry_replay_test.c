/* SPDX-License-Identifier: Apache-2.0 */
/* The log read again, and deleted from the front while other rows stay. */
#include "tests/unit/push_unit.h"

static void test_log_is_shortened_from_the_front(void **state)
{
    struct registry *r = open_with_tables(state);
    uint64_t bytes;
    struct told told;
    struct error e;
    bool more = true;

    for (uint64_t i = 1; i <= 10; i++) {
        push_ok(r, "a", i, "ads", 100 * i);
        push_ok(r, "b", i, i % 2 ? "users" : "users,ads", 50);
    }
    bytes = registry_bytes(r);
    assert_ok(registry_shorten(r, 0, &more, &e), e);
    assert_false(more);
    assert_int_equal(registry_first(r), 0);
    for (uint64_t upto = 1; upto <= 22; upto += 3) {
        assert_ok(registry_shorten(r, upto, &more, &e), e);
        assert_false(more);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(registry_first(r), upto);
            assert_int_equal(registry_lsn(r), 22);
            assert_true(registry_bytes(r) < bytes);
            bytes = registry_bytes(r) + (i == 0);
            replayed(r, 0, &told);
            assert_int_equal(told.rows, 22 - upto);
            assert_int_equal(told.rows ? told.first : upto + 1, upto + 1);
            check_position(r, "a", 10, 21);
            check_position(r, "b", 10, 22);
            assert_string_equal(registry_find(r, "ads")->file, "/srv/file.safetensors");
            r = reopen(r, state);
        }
    }
    assert_int_equal(registry_first(r), 22);
    assert_int_equal(registry_bytes(r), 0);
    assert_ok(registry_shorten(r, 5, &more, &e), e); /* that is gone already */
    assert_ok(registry_shorten(r, 99, &more, &e), e);
    assert_int_equal(registry_first(r), 22);
    push_ok(r, "a", 11, "ads", 1);
    change_ok(r, CHANGE_UNLOAD, "users");
    r = reopen(r, state);
    assert_string_equal(replayed(r, 0, &told), "23:a 11 ads 1-123; 24:kind 3 users 1; ");
    assert_ok(registry_shorten(r, 99, &more, &e), e); /* no further than there is something */
    assert_int_equal(registry_first(r), 24);
    r = reopen(r, state);
    change_ok(r, CHANGE_LOAD, "users");
    assert_int_equal(registry_find(r, "users")->generation, 2);
    r = reopen(r, state);
    assert_int_equal(registry_find(r, "users")->generation, 2);
    registry_close(r);
}

static void test_shortening_takes_bounded_steps(void **state)
{
    struct registry *r = open_with_tables(state);
    struct push_row row[100];
    struct made m[100];
    struct error e;
    unsigned steps = 0;
    uint64_t before;
    bool more = true;

    for (size_t done = 0; done < 2500; done += 100) { /* many small rows */
        for (size_t i = 0; i < 100; i++) {
            make_push(&m[i], r, i, "a", done + i + 1, "ads", 8);
            row[i] = m[i].row;
        }
        assert_ok(registry_push(r, row, 100, false, &e), e);
        for (size_t i = 0; i < 100; i++)
            free_push(&m[i]);
    }
    for (uint64_t i = 1; i <= 6; i++) /* and a few large ones */
        push_ok(r, "b", i, "ads", 3 << 20);
    while (more) {
        before = registry_first(r);
        assert_ok(registry_shorten(r, 2508, &more, &e), e);
        assert_true(registry_first(r) > before);
        assert_true(registry_first(r) - before <= 1000);
        steps++;
    }
    assert_int_equal(registry_first(r), 2508);
    assert_int_equal(steps, 4); /* 1000, 1000, the rest and three large ones, three more */
    r = reopen(r, state);
    assert_int_equal(registry_first(r), 2508);
    registry_close(r);
}

/* The pages of deleted rows take the next ones: the file grows with what the log holds at most, not
   with what has gone through it. */
static void test_file_of_a_shortened_log_stops_growing(void **state)
{
    struct registry *r = open_with_tables(state);
    uint64_t full = 0;
    struct error e;
    bool more;

    for (uint64_t i = 1; i <= 400; i++) {
        push_ok(r, "a", i, "ads", 20000 + i * 7 % 5000);
        if (i % 20 == 0) {
            assert_ok(registry_shorten(r, registry_lsn(r) - 20, &more, &e), e);
            assert_ok(registry_checkpoint(r, true, &e), e);
        }
        if (i == 80)
            full = registry_disk_bytes(r);
    }
    assert_true(full > 40 * 20000);
    assert_true(registry_disk_bytes(r) <= full + full / 4);
    r = reopen(r, state);
    assert_int_equal(registry_position(r, "a")->sequence, 400);
    registry_close(r);
}

static void test_people_can_read_the_log(void **state)
{
    struct registry *r = open_with_tables(state);
    const char *path = unit_path(*state, "log.db");
    struct error e;
    uint64_t lsn;

    push_ok(r, "me.1:x", 1, "users,ads", 1000);
    push_ok(r, "", 0, "", 3);
    assert_ok(registry_forget_trainer(r, "me.1:x", &lsn, &e), e);
    registry_close(r);
    assert_string_equal(sql_text(path, "SELECT group_concat(ifnull(kind, '?') || ' ' || "
                                       "ifnull(table_name, '-') || ' ' || ifnull(trainer, '-') || "
                                       "' ' || ifnull(sequence, '-') || ' ' || "
                                       "ifnull(tables, '-'), '; ') FROM changes"),
                        "load ads - - -; load users - - -; push - me.1:x 1 users,ads; push - - - ; "
                        "forget trainer - me.1:x 1 -");
    assert_string_equal(sql_text(path, "SELECT bytes > 1000 AND bytes < 1200 FROM changes "
                                       "WHERE lsn = 3"),
                        "1");
    assert_string_equal(sql_text(path, "PRAGMA integrity_check"), "ok");
}

static enum status compare_change(void *context, const struct logged *l, struct error *e)
{
    const struct registered *expected = context, *is = l->change;

    (void)e;
    assert_non_null(is);
    assert_string_equal(is->name, expected->name);
    assert_string_equal(is->file, expected->file);
    assert_string_equal(is->options, "{\"memory\":\"copy\",\"a\":[1,\"b\"]}");
    assert_int_equal(is->generation, 1);
    assert_int_equal(is->version, expected->version);
    assert_int_equal(is->lsn, l->lsn);
    assert_int_equal(is->time_us, l->time_us);
    assert_int_equal(is->by, l->kind == CHANGE_UNLOAD ? BY_CALL : BY_CONFIGURATION);
    assert_int_equal(is->served, l->kind != CHANGE_UNLOAD);
    assert_memory_equal(&is->identity, &expected->identity, sizeof is->identity);
    assert_int_equal(is->checksum, expected->checksum);
    assert_true(is->trainable);
    assert_int_equal(is->header_hash, expected->header_hash);
    return ST_OK;
}

static void test_replay_hands_over_whole_tables(void **state)
{
    struct registered t =
        sample("ads", "/srv/\"x\"\n\xc3\xa4", "{\"memory\": \"copy\",\"a\":[1,\"b\"]}");
    struct registry *r = open_ok(folder_of(state));
    struct error e;
    bool more;

    t.trainable = true;
    t.header_hash = 0xfedcba9876543211;
    t.version = UINT64_MAX;
    t.by = BY_CONFIGURATION;
    t.identity.mtime_ns = INT64_MIN;
    t.identity.device = UINT64_MAX;
    assert_ok(registry_change(r, CHANGE_LOAD, &t, &e), e);
    change_ok(r, CHANGE_UNLOAD, "ads");
    for (int i = 0; i < 2; i++) {
        assert_ok(registry_replay(r, 0, compare_change, &t, &e), e);
        assert_true(registry_find(r, "ads")->trainable);
        assert_int_equal(registry_find(r, "ads")->header_hash, 0xfedcba9876543211);
        r = reopen(r, state);
    }
    assert_ok(registry_shorten(r, 2, &more, &e), e);
    assert_int_equal(registry_bytes(r), 0); /* the path has more bytes than characters */
    registry_close(r);
}

static enum status stop_at(void *context, const struct logged *l, struct error *e)
{
    unsigned *rows = context;

    if (l->change) {
        assert_string_equal(l->change->name, l->lsn == 1 ? "ads" : "users");
        assert_string_equal(l->change->options, "{\"memory\":\"map\"}");
        assert_string_equal(l->change->file, "/srv/file.safetensors");
        assert_int_equal(l->change->checksum, 0xfedcba9876543210);
        assert_int_equal(l->change->identity.inode, 77);
        assert_int_equal(l->change->lsn, l->lsn);
        assert_int_equal(l->change->time_us, l->time_us);
        assert_int_equal(l->change->by, BY_CALL);
        assert_int_equal(l->change->version, 7);
        assert_true(l->change->served);
    }
    return ++*rows == 3 ? error_set(e, ST_CANCELLED, "that is enough") : ST_OK;
}

static void test_replay_ends_when_it_is_told(void **state)
{
    struct registry *r = open_with_tables(state);
    unsigned rows = 0;
    struct error e;

    for (uint64_t i = 1; i < 5; i++)
        push_ok(r, "a", i, "ads", 5);
    assert_fails(registry_replay(r, 0, stop_at, &rows, &e), ST_CANCELLED, e, "that is enough");
    assert_int_equal(rows, 3);
    push_ok(r, "a", 5, "ads", 5); /* and leaves nothing in the way */
    assert_ok(registry_checkpoint(r, true, &e), e);
    registry_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
        TEST(test_log_is_shortened_from_the_front),       TEST(test_shortening_takes_bounded_steps),
        TEST(test_file_of_a_shortened_log_stops_growing), TEST(test_people_can_read_the_log),
        TEST(test_replay_hands_over_whole_tables),        TEST(test_replay_ends_when_it_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
