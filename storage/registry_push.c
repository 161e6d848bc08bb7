/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes. A group is staged in memory first, with everything that may be refused and all memory
   that it takes; then it is written; then what was staged becomes what is. */
#include <assert.h>
#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/registry_parts.h"

/* A group on its way. */
struct group {
    struct push_row *row;
    size_t count;
    struct trainer *staged; /* the trainers whose positions it moves */
    unsigned char *scratch; /* ROW_NUMBERS, and the longest body */
};

/* What the log will be held against when it is opened. The caller has seen to it; a row that does
   not fit would be taken for damage, so it is not written. */
static enum status stage_tables(struct registry *r, const struct push_row *row, struct error *e)
{
    for (size_t i = 0; i < row->growths; i++) {
        struct name *name;
        enum status st = growth_stage(r, &row->growth[i], &name, e);

        if (st != ST_OK)
            return st;
    }
    for (size_t i = 0; i < row->tables; i++) {
        const struct push_table *t = &row->table[i];
        struct name *name = names_served(r, t->name);

        if (!name)
            return error_set(e, ST_NOT_FOUND, "table %s is not served", QUOTE(t->name));
        if (t->generation != name->now.generation || t->version <= name->staged)
            return error_set(
                e, ST_INTERNAL,
                "a push of generation %" PRIu64 " to version %" PRIu64
                " of table %s does not follow generation %" PRIu64 ", version %" PRIu64,
                t->generation, t->version, QUOTE(t->name), name->now.generation, name->staged);
        name->staged = t->version;
    }
    return ST_OK;
}

static enum status find_trainer(struct registry *r, const char *name, struct trainer **out,
                                struct error *e)
{
    *out = trainers_find(&r->trainers, name);
    if (*out)
        return ST_OK;
    if (r->trainers.count >= r->max_trainers)
        return error_set(e, ST_EXHAUSTED, "trainer %s is one more than the %zu of max_trainers",
                         QUOTE(name), r->max_trainers);
    return trainers_add(&r->trainers, name, out, e);
}

static enum status stage_trainer(struct registry *r, struct group *g, const struct push_row *row,
                                 struct error *e)
{
    size_t n = strlen(row->trainer);
    struct trainer *t;
    uint64_t last;
    enum status st;

    if (n ? !trainer_valid(row->trainer, n) : row->sequence != 0)
        return error_set(e, ST_INTERNAL, "%s is no name for a trainer", QUOTE(row->trainer));
    if (!n)
        return ST_OK;
    if ((st = find_trainer(r, row->trainer, &t, e)) != ST_OK)
        return st;
    if (!t->is_staged) {
        t->next = t->now;
        t->staged = g->staged;
        t->is_staged = true;
        g->staged = t;
    }
    last = t->next.sequence;
    if (row->sequence != last + 1 || row->sequence > INT64_MAX)
        return error_set(e, ST_INTERNAL,
                         "push %" PRIu64 " of trainer %s does not follow its push %" PRIu64,
                         row->sequence, QUOTE(row->trainer), last);
    t->next.sequence = row->sequence;
    t->next.content[0] = row->content[0];
    t->next.content[1] = row->content[1];
    t->next.lsn = row->lsn;
    t->next.time_us = row->time_us;
    return ST_OK;
}

static enum status stage(struct registry *r, struct group *g, struct error *e)
{
    size_t most = (size_t)sqlite3_limit(r->db->db, SQLITE_LIMIT_LENGTH, -1) / 2, longest = 0, n;
    int64_t time_us = clock_wall_us();
    uint64_t lsn = r->lsn;
    enum status st;

    for (size_t i = 0; i < g->count; i++) {
        struct push_row *row = &g->row[i];

        for (size_t j = 0; j < row->growths; j++) {
            row->growth[j].lsn = ++lsn;
            row->growth[j].time_us = time_us;
            n = growth_body_size(&row->growth[j]);
            longest = n > longest ? n : longest;
        }
        row->lsn = ++lsn;
        row->time_us = time_us;
        if (!push_body_size(row, &n) || n > most)
            return error_set(e, ST_EXHAUSTED,
                             "a push of %zu bytes is too long for the log, which "
                             "takes %zu",
                             row->bytes, most);
        if (n > longest)
            longest = n;
        if ((st = stage_tables(r, row, e)) != ST_OK || (st = stage_trainer(r, g, row, e)) != ST_OK)
            return st;
    }
    g->scratch = mem_alloc(ROW_NUMBERS + longest);
    return g->scratch ? ST_OK : error_memory(e, "body of a push");
}

/* What was staged becomes what is, or is forgotten. */
static void unstage(struct registry *r, struct group *g, bool done)
{
    for (struct trainer *t = g->staged, *next; t; t = next) {
        next = t->staged;
        t->is_staged = false;
        if (done)
            t->now = t->next;
        else if (!t->now.sequence)
            trainers_remove(&r->trainers, t);
    }
    for (size_t i = 0; i < g->count; i++)
        for (size_t j = 0; j < g->row[i].tables; j++) {
            struct name *name = names_served(r, g->row[i].table[j].name);

            if (name && done)
                name->pushed = name->staged;
            else if (name)
                name->staged = name->pushed;
        }
    mem_free(g->scratch);
}

static enum status write_row(struct registry *r, struct group *g, const struct push_row *push,
                             struct row *row, struct error *e)
{
    uint64_t numbers[3] = {htole64(push->lsn), htole64(CHANGE_PUSH),
                           htole64((uint64_t)push->time_us)};
    enum status st;

    static_assert(sizeof numbers == ROW_NUMBERS, "before each body");
    if (FAILPOINT("log.insert.before"))
        return log_failed(r, e);
    *row = (struct row){.lsn = push->lsn,
                        .kind = CHANGE_PUSH,
                        .time_us = push->time_us,
                        .trainer = push->trainer[0] ? push->trainer : NULL,
                        .sequence = push->sequence,
                        .body = g->scratch + ROW_NUMBERS};
    if (!push_body_size(push, &row->n))
        return error_memory(e, "body of a push");
    memcpy(g->scratch, numbers, ROW_NUMBERS);
    push_body_write(g->scratch + ROW_NUMBERS, push);
    row->checksum = hash_bytes(g->scratch, ROW_NUMBERS + row->n);
    st = row_add(r, row, e);
    return st == ST_OK && FAILPOINT("log.insert.after") ? log_failed(r, e) : st;
}

static enum status write_position(struct registry *r, const struct position *p, struct error *e)
{
    sqlite3_stmt *s = database_statement(r->db, TRAINER_PUT);

    bind_text(s, 1, p->trainer);
    bind_u64(s, 2, p->sequence);
    bind_u64(s, 3, p->content[0]);
    bind_u64(s, 4, p->content[1]);
    bind_u64(s, 5, p->lsn);
    sqlite3_bind_int64(s, 6, p->time_us);
    bind_u64(s, 7, position_seal(p));
    return database_run(r->db, s, e);
}

/* `last` is told the last row's lsn and checksum, and as its size that of all bodies. */
static enum status write_group(struct registry *r, struct group *g, struct row *last,
                               struct error *e)
{
    enum status st = ST_OK;
    size_t bytes = 0;

    for (size_t i = 0; i < g->count && st == ST_OK; i++) {
        const struct push_row *push = &g->row[i];

        for (size_t j = 0; j < push->growths && st == ST_OK; j++) {
            st = growth_write_row(r, &push->growth[j], CHANGE_ADMIT, g->scratch, last, e);
            bytes += last->n;
        }
        if (st == ST_OK)
            st = write_row(r, g, push, last, e);
        bytes += last->n;
    }
    if (st == ST_OK && FAILPOINT("log.positions.before"))
        st = log_failed(r, e);
    for (const struct trainer *t = g->staged; t && st == ST_OK; t = t->staged)
        st = write_position(r, &t->next, e);
    last->n = bytes;
    return st;
}

enum status registry_push(struct registry *r, struct push_row *row, size_t count, bool sync,
                          struct error *e)
{
    struct group g = {.row = row, .count = count};
    struct row last = {0};
    struct error local;
    enum status st;

    if (!e)
        e = &local;
    if ((st = registry_trouble(r, e)) != ST_OK || !count)
        return st;
    /* A -wal at its cap is moved first; while that fails, nothing is added to it. */
    if ((st = registry_checkpoint(r, false, e)) == ST_OK && (st = stage(r, &g, e)) == ST_OK &&
        (st = log_begin(r, sync, e)) == ST_OK)
        st = log_end(r, write_group(r, &g, &last, e), sync, e);
    unstage(r, &g, st == ST_OK);
    if (st == ST_OK)
        log_advance(r, last.lsn, last.checksum, last.n);
    return st;
}

enum status registry_push_find(struct registry *r, const char *trainer, uint64_t sequence,
                               uint64_t content[2], uint64_t *lsn, struct push_table *table,
                               size_t room, size_t *tables, struct error *e)
{
    const struct position *last = registry_position(r, trainer);
    struct push_table next;
    sqlite3_stmt *s = NULL;
    struct row row;
    enum status st;
    bool found = false;

    if (last && sequence && sequence <= last->sequence) {
        s = database_statement(r->db, PUSH_FIND);
        bind_text(s, 1, trainer);
        bind_u64(s, 2, sequence);
        if ((st = database_step(r->db, s, &found, e)) != ST_OK)
            return trouble_after(r, st, e);
    }
    if (!found)
        return error_set(e, ST_NOT_FOUND, "the log has no push %" PRIu64 " of trainer %s", sequence,
                         QUOTE(trainer));
    st = row_read(r, s, column_u64(s, 0), &row, e);
    if (st == ST_OK && (row.kind != CHANGE_PUSH || row.sequence != sequence || !row.trainer ||
                        strcmp(row.trainer, trainer)))
        st = row_damaged(r, e, "is not the push that the index takes it for", row.lsn);
    if (st == ST_OK) {
        content[0] = row.push.row.content[0];
        content[1] = row.push.row.content[1];
        *lsn = row.lsn;
        *tables = row.push.row.tables;
        for (size_t i = 0; i < room && push_body_table(&row.push, &next); i++)
            table[i] = next;
    }
    sqlite3_reset(s);
    return st;
}
