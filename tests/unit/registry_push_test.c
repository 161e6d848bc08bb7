/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes in the log as their owner sees them: groups, positions, duplicates, and what is refused.
 */
#include "tests/unit/push_unit.h"

static void test_group_is_one_transaction_in_order(void **state)
{
    static const char *const all =
        "1:kind 1 ads 1; 2:kind 1 users 1; 3:a 1 ads 1-103; 4:b 1 users 1-104 ads 1-104; "
        "5:a 2 ads 1-105; 6: 0 users 1-106; 7:a 3 ads 1-107; ";
    struct registry *r = open_with_tables(state);
    struct push_row row[5];
    struct made m[5];
    struct told told;
    struct error e;

    make_push(&m[0], r, 0, "a", 1, "ads", 100);
    make_push(&m[1], r, 1, "b", 1, "users,ads", 0);
    make_push(&m[2], r, 2, "a", 2, "ads", 100000);
    make_push(&m[3], r, 3, "", 0, "users", 1);
    make_push(&m[4], r, 4, "a", 3, "ads", 4096);
    for (int i = 0; i < 5; i++)
        row[i] = m[i].row;
    assert_ok(registry_push(r, row, 5, true, &e), e);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(row[i].lsn, 3 + i);
        assert_int_equal(row[i].time_us, row[0].time_us);
        free_push(&m[i]);
    }
    assert_ok(registry_push(r, NULL, 0, true, &e), e); /* an empty group is none */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(registry_lsn(r), 7);
        assert_int_equal(registry_first(r), 0);
        assert_int_equal(registry_trainers(r), 2);
        check_position(r, "a", 3, 7);
        check_position(r, "b", 1, 4);
        check_position(r, "", 0, 0);
        check_position(r, "c", 0, 0);
        assert_string_equal(replayed(r, 0, &told), all);
        assert_string_equal(replayed(r, 5, &told), strstr(all, "6:"));
        assert_string_equal(replayed(r, 7, &told), "");
        assert_string_equal(replayed(r, 99, &told), "");
        r = reopen(r, state);
    }
    registry_close(r);
}

static void test_earlier_push_is_found(void **state)
{
    struct registry *r = open_with_tables(state);
    struct push_table table[3];
    uint64_t content[2], lsn;
    struct made m;
    struct error e;
    size_t tables;
    bool more;

    for (uint64_t i = 1; i <= 4; i++)
        push_ok(r, "a", i, "users,ads", 64 + i);
    push_ok(r, "ab", 1, "ads", 10);
    for (int i = 0; i < 2; i++) {
        make_push(&m, r, 0, "a", 2, "", 66);
        memset(table, 0, sizeof table);
        assert_ok(registry_push_find(r, "a", 2, content, &lsn, table, 3, &tables, &e), e);
        assert_memory_equal(content, m.row.content, sizeof content);
        free_push(&m);
        assert_int_equal(lsn, 4);
        assert_int_equal(tables, 2);
        assert_string_equal(table[0].name, "users");
        assert_string_equal(table[1].name, "ads");
        assert_int_equal(table[1].version, 104);
        assert_int_equal(table[1].generation, 1);
        memset(table, 0, sizeof table); /* no more than there is room for */
        assert_ok(registry_push_find(r, "a", 4, content, &lsn, table, 1, &tables, &e), e);
        assert_int_equal(tables, 2);
        assert_string_equal(table[0].name, "users");
        assert_string_equal(table[1].name, "");
        assert_ok(registry_push_find(r, "a", 1, content, &lsn, NULL, 0, &tables, &e), e);
        assert_fails(registry_push_find(r, "a", 5, content, &lsn, table, 3, &tables, &e),
                     ST_NOT_FOUND, e, "the log has no push 5 of trainer \"a\"");
        assert_fails(registry_push_find(r, "a", 0, content, &lsn, table, 3, &tables, &e),
                     ST_NOT_FOUND, e, "no push 0");
        assert_fails(registry_push_find(r, "c", 1, content, &lsn, table, 3, &tables, &e),
                     ST_NOT_FOUND, e, "of trainer \"c\"");
        r = reopen(r, state);
    }
    assert_ok(registry_shorten(r, 4, &more, &e), e);
    assert_fails(registry_push_find(r, "a", 2, content, &lsn, table, 3, &tables, &e), ST_NOT_FOUND,
                 e, "the log has no push 2");
    assert_ok(registry_push_find(r, "a", 3, content, &lsn, table, 3, &tables, &e), e);
    registry_close(r);
}

static void test_what_does_not_follow_is_not_written(void **state)
{
    static const struct {
        const char *trainer;
        uint64_t sequence;
        const char *names;
        uint64_t generation, version; /* 0: as they should be */
        enum status st;
        const char *words;
    } cases[] = {
        {"a", 1, "ads", 0, 0, ST_INTERNAL, "push 1 of trainer \"a\" does not follow its push 2"},
        {"a", 2, "ads", 0, 0, ST_INTERNAL, "does not follow"},
        {"a", 4, "ads", 0, 0, ST_INTERNAL, "push 4 of trainer \"a\" does not follow its push 2"},
        {"a", 0, "ads", 0, 0, ST_INTERNAL, "does not follow"},
        {"new", 2, "ads", 0, 0, ST_INTERNAL, "does not follow its push 0"},
        {"", 1, "ads", 0, 0, ST_INTERNAL, "\"\" is no name for a trainer"},
        {"a b", 1, "ads", 0, 0, ST_INTERNAL, "\"a b\" is no name for a trainer"},
        {"a", 3, "none", 0, 0, ST_NOT_FOUND, "table \"none\" is not served"},
        {"a", 3, "ads,none", 0, 0, ST_NOT_FOUND, "table \"none\" is not served"},
        {"a", 3, "unloaded", 0, 0, ST_NOT_FOUND, "table \"unloaded\" is not served"},
        {"a", 3, "ads,ads", 0, 0, ST_INTERNAL, "of table \"ads\" does not follow"},
        {"a", 3, "ads", 2, 0, ST_INTERNAL, "a push of generation 2 to version"},
        {"a", 3, "ads", 0, 1, ST_INTERNAL, "to version 1 of table \"ads\" does not follow"},
    };
    struct registry *r = open_with_tables(state);
    struct push_row row[2];
    struct made first, m;
    struct told told;
    struct error e;

    change_ok(r, CHANGE_LOAD, "unloaded");
    change_ok(r, CHANGE_UNLOAD, "unloaded");
    push_ok(r, "a", 1, "ads", 5);
    push_ok(r, "a", 2, "ads,users", 5);
    for (int again = 0; again < 2; again++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            /* Alone, and after one that is fine: the group is refused as a whole. */
            make_push(&first, r, 0, "b", 1, "users,ads", 9);
            make_push(&m, r, 1, cases[i].trainer, cases[i].sequence, cases[i].names, 5);
            if (cases[i].generation)
                m.table[0].generation = cases[i].generation;
            if (cases[i].version)
                m.table[0].version = cases[i].version;
            row[0] = first.row;
            row[1] = m.row;
            assert_fails(registry_push(r, row, 2, true, &e), cases[i].st, e, cases[i].words);
            assert_fails(registry_push(r, row + 1, 1, true, &e), cases[i].st, e, cases[i].words);
            free_push(&first);
            free_push(&m);
            check_position(r, "a", 2, 6);
            check_position(r, "b", 0, 0);
            check_position(r, "new", 0, 0);
            assert_int_equal(registry_trainers(r), 1);
            assert_int_equal(registry_lsn(r), 6);
        }
        replayed(r, 0, &told);
        assert_int_equal(told.rows, 6);
        assert_ok(registry_trouble(r, &e), e);
        r = reopen(r, state);
    }
    push_ok(r, "a", 3, "ads", 5);
    push_ok(r, "b", 1, "ads,users", 5);
    registry_close(r);
}

static void test_trainers_are_limited(void **state)
{
    struct registry *r = open_with_tables(state);
    struct push_row row[3];
    struct made m[3];
    struct error e;
    uint64_t lsn;

    registry_set_max_trainers(r, 2);
    push_ok(r, "a", 1, "ads", 5);
    make_push(&m[0], r, 0, "a", 2, "ads", 5);
    make_push(&m[1], r, 1, "b", 1, "ads", 5);
    make_push(&m[2], r, 2, "c", 1, "ads", 5);
    for (int i = 0; i < 3; i++)
        row[i] = m[i].row;
    assert_fails(registry_push(r, row, 3, true, &e), ST_EXHAUSTED, e,
                 "trainer \"c\" is one more than the 2 of max_trainers");
    assert_int_equal(registry_trainers(r), 1);
    check_position(r, "a", 1, 3);
    assert_ok(registry_push(r, row, 2, true, &e), e);
    for (int i = 0; i < 3; i++)
        free_push(&m[i]);
    assert_int_equal(registry_trainers(r), 2);
    push_ok(r, "", 0, "ads", 5); /* nobody is no trainer */
    assert_int_equal(push_one(r, "c", 1, "ads", 5, true, &e), ST_EXHAUSTED);
    assert_ok(registry_forget_trainer(r, "a", &lsn, &e), e);
    push_ok(r, "c", 1, "ads", 5);
    r = reopen(r, state); /* a lower limit refuses new ones only */
    registry_set_max_trainers(r, 1);
    push_ok(r, "c", 2, "ads", 5);
    push_ok(r, "b", 2, "ads", 5);
    assert_int_equal(push_one(r, "a", 1, "ads", 5, true, &e), ST_EXHAUSTED);
    registry_close(r);
}

static void test_forgotten_trainer_begins_anew(void **state)
{
    struct registry *r = open_with_tables(state);
    struct push_table table;
    uint64_t content[2], lsn = 0;
    struct told told;
    struct error e;
    size_t tables;
    bool more;

    assert_fails(registry_forget_trainer(r, "a", &lsn, &e), ST_NOT_FOUND, e,
                 "there is no trainer \"a\"");
    push_ok(r, "a", 1, "ads", 5);
    push_ok(r, "a", 2, "ads", 6);
    assert_ok(registry_forget_trainer(r, "a", &lsn, &e), e);
    assert_int_equal(lsn, 5);
    assert_int_equal(registry_lsn(r), 5);
    for (int i = 0; i < 2; i++) {
        check_position(r, "a", 0, 0);
        assert_int_equal(registry_trainers(r), 0);
        assert_string_equal(replayed(r, 2, &told),
                            "3:a 1 ads 1-103; 4:a 2 ads 1-104; 5:kind 7 - 0; ");
        r = reopen(r, state);
    }
    push_ok(r, "a", 1, "users", 7);
    r = reopen(r, state);
    check_position(r, "a", 1, 6);
    /* What the forgotten one pushed is not this one's. */
    assert_ok(registry_push_find(r, "a", 1, content, &lsn, &table, 1, &tables, &e), e);
    assert_int_equal(lsn, 6);
    assert_string_equal(table.name, "users");
    assert_int_equal(registry_push_find(r, "a", 2, content, &lsn, &table, 1, &tables, &e),
                     ST_NOT_FOUND);
    for (uint64_t upto = 3; upto <= 6; upto++) {
        assert_ok(registry_shorten(r, upto, &more, &e), e);
        r = reopen(r, state);
        check_position(r, "a", 1, 6);
    }
    assert_ok(registry_forget_trainer(r, "a", &lsn, &e), e);
    r = reopen(r, state);
    check_position(r, "a", 0, 0);
    assert_ok(registry_shorten(r, 7, &more, &e), e);
    r = reopen(r, state);
    push_ok(r, "a", 1, "users", 7);
    registry_close(r);
}

static void test_unsynced_group_is_there_and_the_mark_waits(void **state)
{
    struct registry *r = open_with_tables(state);
    static const uint64_t marked[] = {2, 4, 6, 7};
    char mark[128] = "";
    uint64_t said;
    struct error e;
    FILE *file;

    assert_ok(push_one(r, "a", 1, "ads", 5, false, &e), e);
    assert_ok(push_one(r, "a", 2, "ads", 5, false, &e), e);
    check_position(r, "a", 2, 4);
    for (int step = 0; step < 4; step++) {
        file = fopen(unit_path(*state, "log.mark"), "r");
        for (said = 0; fgets(mark, sizeof mark, file);) { /* the better of two lines */
            uint64_t lsn = strtoull(mark + 4, NULL, 10);

            said = lsn > said ? lsn : said;
        }
        fclose(file);
        /* The mark may never be ahead of what a power cut leaves. */
        assert_int_equal(said, marked[step]);
        if (step == 0) {
            assert_ok(registry_sync(r, &e), e);
        } else if (step == 1) {
            assert_ok(push_one(r, "a", 3, "ads", 5, false, &e), e);
            push_ok(r, "a", 4, "ads", 5); /* takes the one before with it */
        } else if (step == 2) {
            assert_ok(push_one(r, "a", 5, "ads", 5, false, &e), e);
            assert_ok(registry_checkpoint(r, true, &e), e);
        }
    }
    assert_ok(push_one(r, "a", 6, "ads", 5, false, &e), e);
    r = reopen(r, state);
    check_position(r, "a", 6, 8);
    registry_close(r);
}

static void test_lives_of_a_table_are_kept_apart(void **state)
{
    struct registry *r = open_with_tables(state);
    struct told told;
    struct error e;
    struct made m;

    push_ok(r, "a", 1, "ads", 5);
    change_ok(r, CHANGE_REPLACE, "ads");
    change_ok(r, CHANGE_OPTIONS, "ads");
    make_push(&m, r, 0, "a", 2, "ads", 5);
    m.table[0].version = 103; /* a replacement goes on from the versions before it */
    assert_int_equal(registry_push(r, &m.row, 1, true, &e), ST_INTERNAL);
    m.table[0].version = 104;
    assert_ok(registry_push(r, &m.row, 1, true, &e), e);
    free_push(&m);
    change_ok(r, CHANGE_FORGET, "ads");
    assert_int_equal(push_one(r, "a", 3, "ads", 5, true, &e), ST_NOT_FOUND);
    change_ok(r, CHANGE_LOAD, "ads");
    make_push(&m, r, 0, "a", 3, "ads", 5);
    m.table[0].version = 1; /* another life begins anew */
    assert_ok(registry_push(r, &m.row, 1, true, &e), e);
    free_push(&m);
    r = reopen(r, state);
    assert_string_equal(replayed(r, 0, &told),
                        "1:kind 1 ads 1; 2:kind 1 users 1; 3:a 1 ads 1-103; 4:kind 2 ads 1; "
                        "5:kind 5 ads 1; 6:a 2 ads 1-104; 7:kind 4 ads 1; 8:kind 1 ads 2; "
                        "9:a 3 ads 2-1; ");
    registry_close(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
        TEST(test_group_is_one_transaction_in_order),
        TEST(test_earlier_push_is_found),
        TEST(test_what_does_not_follow_is_not_written),
        TEST(test_trainers_are_limited),
        TEST(test_forgotten_trainer_begins_anew),
        TEST(test_unsynced_group_is_there_and_the_mark_waits),
        TEST(test_lives_of_a_table_are_kept_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
