/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes for the tests of the log. A message is made from its trainer, sequence and length, so a
   row that comes back tells by itself whether it is whole. */
#pragma once

#include "base/hash.h"
#include "tests/unit/random.h"
#include "tests/unit/storage_unit.h"

#define MADE_TABLES 4

/* A push with all that it points at. */
struct made {
    struct push_row row;
    struct push_table table[MADE_TABLES];
    char trainer[TRAINER_MAX + 1];
    unsigned char *message;
};

static inline void fill_message(unsigned char *to, size_t n, const char *trainer, uint64_t sequence)
{
    struct random random = {hash_bytes(trainer, strlen(trainer)) + sequence * 1000003 + n};

    random_bytes(&random, to, n);
}

/* A push to the tables in `names` ("ads,users"), the `place`-th of its group. Versions are lsns, so
   they only grow. */
static inline void make_push(struct made *m, const struct registry *r, size_t place,
                             const char *trainer, uint64_t sequence, const char *names,
                             size_t bytes)
{
    memset(m, 0, sizeof *m);
    snprintf(m->trainer, sizeof m->trainer, "%s", trainer);
    m->message = malloc(bytes + 1);
    assert_non_null(m->message);
    fill_message(m->message, bytes, trainer, sequence);
    m->row = (struct push_row){.trainer = m->trainer,
                               .sequence = sequence,
                               .table = m->table,
                               .message = m->message,
                               .bytes = bytes};
    m->row.content[0] = hash_bytes(m->message, bytes);
    m->row.content[1] = ~m->row.content[0];
    for (const char *p = names; *p && m->row.tables < MADE_TABLES;) {
        struct push_table *t = &m->table[m->row.tables++];
        size_t n = strcspn(p, ",");
        const struct registered *is;

        snprintf(t->name, sizeof t->name, "%.*s", (int)n, p);
        is = registry_find(r, t->name);
        t->generation = is ? is->generation : 1;
        t->version = registry_lsn(r) + 1 + place + 100; /* samples are served at 7 */
        t->learning_rate = 0.125f * (float)(sequence + 1);
        t->flags = (uint32_t)(0xfffffff0u + m->row.tables);
        p += n + (p[n] == ',');
    }
}

static inline void free_push(struct made *m)
{
    free(m->message);
}

/* One push as a group of its own. */
static inline enum status push_one(struct registry *r, const char *trainer, uint64_t sequence,
                                   const char *names, size_t bytes, bool sync, struct error *e)
{
    struct made m;
    enum status st;

    make_push(&m, r, 0, trainer, sequence, names, bytes);
    st = registry_push(r, &m.row, 1, sync, e);
    free_push(&m);
    return st;
}

static inline void push_ok(struct registry *r, const char *trainer, uint64_t sequence,
                           const char *names, size_t bytes)
{
    struct error e;

    assert_ok(push_one(r, trainer, sequence, names, bytes, true, &e), e);
}

/* A row that came back is one that make_push() made. */
static inline bool push_is_whole(const struct push_row *row)
{
    unsigned char *message = malloc(row->bytes + 1);
    bool whole;

    fill_message(message, row->bytes, row->trainer, row->sequence);
    whole = !memcmp(message, row->message, row->bytes) &&
            row->content[0] == hash_bytes(message, row->bytes) &&
            row->content[1] == ~row->content[0];
    for (size_t i = 0; i < row->tables; i++)
        whole = whole && row->table[i].flags == (uint32_t)(0xfffffff0u + i + 1) &&
                row->table[i].learning_rate == 0.125f * (float)(row->sequence + 1);
    free(message);
    return whole;
}

/* What a replay hands over, as text: "lsn:kind(trainer sequence tables)…". */
struct told {
    char text[1 << 16];
    size_t at;
    uint64_t first, last, rows;
};

static inline enum status tell_row(void *context, const struct logged *l, struct error *e)
{
    struct told *told = context;
    size_t room = sizeof told->text - told->at;

    if (told->rows++ == 0)
        told->first = l->lsn;
    else if (l->lsn != told->last + 1)
        return error_set(e, ST_INTERNAL, "%d comes after %d", (int)l->lsn, (int)told->last);
    told->last = l->lsn;
    if (room < 512)
        return ST_OK;
    if (l->kind == CHANGE_PUSH) {
        if (!push_is_whole(l->push) || l->push->lsn != l->lsn || l->push->time_us != l->time_us)
            return error_set(e, ST_INTERNAL, "push %d is not whole", (int)l->lsn);
        told->at += (size_t)snprintf(told->text + told->at, room, "%d:%s %d", (int)l->lsn,
                                     l->push->trainer, (int)l->push->sequence);
        for (size_t i = 0; i < l->push->tables; i++)
            told->at +=
                (size_t)snprintf(told->text + told->at, sizeof told->text - told->at, " %s %d-%d",
                                 l->push->table[i].name, (int)l->push->table[i].generation,
                                 (int)l->push->table[i].version);
    } else {
        told->at += (size_t)snprintf(told->text + told->at, room, "%d:kind %d %s %d", (int)l->lsn,
                                     l->kind, l->change ? l->change->name : "-",
                                     l->change ? (int)l->change->generation : 0);
    }
    told->at += (size_t)snprintf(told->text + told->at, sizeof told->text - told->at, "; ");
    return ST_OK;
}

static inline const char *replayed(struct registry *r, uint64_t after, struct told *told)
{
    struct error e;

    memset(told, 0, sizeof *told);
    assert_ok(registry_replay(r, after, tell_row, told, &e), e);
    return told->text;
}

/* ---- A folder for each test ---- */

static inline int make_folder(void **state)
{
    struct unit_folder *f = calloc(1, sizeof *f);

    unit_folder_make(f);
    *state = f;
    return 0;
}

static inline int remove_folder(void **state)
{
    unit_folder_remove(*state);
    free(*state);
    return 0;
}

static inline const char *folder_of(void **state)
{
    return ((struct unit_folder *)*state)->path;
}

/* A log that serves "ads" and "users". */
static inline struct registry *open_with_tables(void **state)
{
    struct registry *r = open_ok(folder_of(state));

    change_ok(r, CHANGE_LOAD, "ads");
    change_ok(r, CHANGE_LOAD, "users");
    return r;
}

static inline struct registry *reopen(struct registry *r, void **state)
{
    registry_close(r);
    return open_ok(folder_of(state));
}

static inline void check_position(const struct registry *r, const char *trainer, uint64_t sequence,
                                  uint64_t lsn)
{
    const struct position *p = registry_position(r, trainer);

    if (!sequence) {
        assert_null(p);
        return;
    }
    assert_non_null(p);
    assert_string_equal(p->trainer, trainer);
    assert_int_equal(p->sequence, sequence);
    assert_int_equal(p->lsn, lsn);
    assert_int_equal(p->content[1], ~p->content[0]);
    assert_true(p->time_us > 1600000000000000);
}
