/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that pass through everything that the log does with pushes, for the tests that let each of
   them fail or kill it, and the facts by which the log says afterwards which of them happened. */
#pragma once

#include "tests/unit/push_unit.h"

#define OLD 5 /* rows of the log that each run begins with */

static struct unit_folder first; /* holds the log that each run begins with */

/* Two tables, and a trainer with three pushes. */
static inline int make_first(void **state)
{
    struct registry *r;

    (void)state;
    unit_folder_make(&first);
    r = open_ok(first.path);
    change_ok(r, CHANGE_LOAD, "ads");
    change_ok(r, CHANGE_LOAD, "users");
    push_ok(r, "old", 1, "ads", 100);
    push_ok(r, "old", 2, "users", 9000);
    push_ok(r, "old", 3, "ads", 100);
    registry_close(r);
    return 0;
}

static inline int remove_first(void **state)
{
    (void)state;
    unit_folder_remove(&first);
    return 0;
}

static inline void put_log(struct unit_folder *f)
{
    copy_file(unit_path(&first, "log.db"), unit_path(f, "log.db"));
    copy_file(unit_path(&first, "log.mark"), unit_path(f, "log.mark"));
}

enum step { GROUP, LATE, SYNC, CHECKPOINT, FORGET, FIND, REPLAY, SHORTEN, LAST, STEPS };

static inline enum status push_group(struct registry *r, struct error *e)
{
    static const char *const trainers[] = {"g1", "", "g2"};
    struct push_row row[3];
    struct made m[3];
    enum status st;

    for (size_t i = 0; i < 3; i++) {
        make_push(&m[i], r, i, trainers[i], i != 1, i ? "users,ads" : "ads", 100 + 9000 * i);
        row[i] = m[i].row;
    }
    st = registry_push(r, row, 3, true, e);
    for (size_t i = 0; i < 3; i++)
        free_push(&m[i]);
    return st;
}

static inline enum status run_step(struct registry *r, enum step step, struct error *e)
{
    struct push_table table[2];
    uint64_t content[2], lsn;
    struct told told = {0};
    enum status st;
    size_t tables;
    bool more;

    switch (step) {
    case GROUP:
        return push_group(r, e);
    case LATE:
        return push_one(r, "late", 1, "ads", 5000, false, e);
    case SYNC:
        return registry_sync(r, e);
    case CHECKPOINT:
        return registry_checkpoint(r, true, e);
    case FORGET:
        return registry_forget_trainer(r, "old", &lsn, e);
    case FIND:
        st = registry_push_find(r, "late", 1, content, &lsn, table, 2, &tables, e);
        return st == ST_NOT_FOUND ? ST_OK : st;
    case REPLAY:
        return registry_replay(r, 0, tell_row, &told, e);
    case SHORTEN:
        return registry_shorten(r, OLD, &more, e);
    default:
        return push_one(r, "last", 1, "ads,users", 30000, true, e);
    }
}

/* The facts that the steps make, as the log tells them. */
struct facts {
    bool group, late, forgotten, shortened, last;
};

static inline struct facts look(struct registry *r, const char *what)
{
    struct facts f;
    struct told told;
    bool rows[3];

    replayed(r, OLD, &told);
    rows[0] = strstr(told.text, ":g1 1") != NULL;
    rows[1] = strstr(told.text, ": 0 ") != NULL;
    rows[2] = strstr(told.text, ":g2 1") != NULL;
    if (rows[0] != rows[1] || rows[0] != rows[2] ||
        rows[0] != (registry_position(r, "g1") != NULL) ||
        rows[0] != (registry_position(r, "g2") != NULL))
        fail_msg("%s: half of a group is there", what);
    f.group = rows[0];
    f.late = strstr(told.text, ":late 1") != NULL;
    assert_int_equal(f.late, registry_position(r, "late") != NULL);
    f.forgotten = strstr(told.text, "kind 7") != NULL;
    assert_int_equal(f.forgotten, registry_position(r, "old") == NULL);
    f.shortened = registry_first(r) == OLD;
    assert_true(f.shortened || registry_first(r) == 0);
    f.last = strstr(told.text, ":last 1") != NULL;
    assert_int_equal(f.last, registry_position(r, "last") != NULL);
    return f;
}

/* Whether each step's answer and its fact agree. `unknown`: a refused one may be there, too. */
static inline unsigned check_facts(struct registry *r, const enum status *answer, bool unknown,
                                   const char *what)
{
    static const enum step step[] = {GROUP, LATE, FORGET, SHORTEN, LAST};
    struct facts f = look(r, what);
    const bool fact[] = {f.group, f.late, f.forgotten, f.shortened, f.last};
    unsigned refused_there = 0;

    for (int i = 0; i < 5; i++) {
        if (answer[step[i]] == ST_OK && !fact[i])
            fail_msg("%s: step %d was answered and is not there", what, step[i]);
        if (answer[step[i]] != ST_OK && fact[i])
            refused_there++;
    }
    if (refused_there > (unknown ? 1 : 0))
        fail_msg("%s: %u refused steps are there", what, refused_there);
    return refused_there;
}

/* After a failure that nobody can know the outcome of, nothing is answered any more. */
static inline void check_trouble(struct registry *r)
{
    struct error e;
    bool more;

    for (int step = 0; step < STEPS; step++)
        if (step != FORGET && step != FIND && step != REPLAY && step != SHORTEN)
            assert_fails(run_step(r, (enum step)step, &e), ST_UNAVAILABLE, e, "until a restart");
    if (registry_first(r) < registry_lsn(r))
        assert_fails(registry_shorten(r, registry_lsn(r), &more, &e), ST_UNAVAILABLE, e,
                     "until a restart");
    if (registry_position(r, "old"))
        assert_fails(run_step(r, FORGET, &e), ST_UNAVAILABLE, e, "until a restart");
}
