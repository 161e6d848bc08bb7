/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the log from a place on, and deleting it up to one. */
#include "base/failpoint.h"
#include "base/hash.h"
#include "base/memory.h"
#include "storage/registry_parts.h"

/* A step of deleting: what it holds the writer up for is the pages of the bodies, each of which is
   read once to find the next. */
#define DROP_ROWS 1000
#define DROP_BYTES (8u << 20)

/* The tables of the push that is replayed. */
struct tables {
    struct push_table *table;
    size_t room;
};

static enum status read_tables(struct push_body *push, struct tables *t, struct error *e)
{
    size_t n = push->row.tables;

    if (n > t->room) {
        struct push_table *more = mem_resize(t->table, n, sizeof *more);

        if (!more)
            return error_memory(e, "replay of the log");
        t->table = more;
        t->room = n;
    }
    for (size_t i = 0; i < n; i++)
        push_body_table(push, &t->table[i]);
    push->row.table = t->table;
    return ST_OK;
}

static enum status hand_over(struct registry *r, struct row *row, struct tables *tables,
                             enum status (*to)(void *context, const struct logged *l,
                                               struct error *e),
                             void *context, struct error *e)
{
    struct logged l = {.lsn = row->lsn, .kind = row->kind, .time_us = row->time_us};
    struct registered change;
    enum status st = ST_OK;

    if (row->kind == CHANGE_PUSH) {
        st = read_tables(&row->push, tables, e);
        row->push.row.lsn = row->lsn;
        row->push.row.time_us = row->time_us;
        l.push = &row->push.row;
    } else if (row->kind == CHANGE_COUNT) {
        l.count = &row->count;
    } else if (row->kind != CHANGE_FORGET_TRAINER) {
        st = row_change(r, row, &change, e);
        l.change = &change;
    }
    return st == ST_OK ? to(context, &l, e) : st;
}

enum status registry_replay(struct registry *r, uint64_t after,
                            enum status (*row)(void *context, const struct logged *l,
                                               struct error *e),
                            void *context, struct error *e)
{
    uint64_t lsn = after > r->front.lsn ? after : r->front.lsn;
    sqlite3_stmt *s = database_statement(r->db, LOG_REPLAY);
    struct tables tables = {0};
    struct error local;
    struct row next;
    enum status st;
    bool found;

    if (!e)
        e = &local;
    bind_u64(s, 1, lsn);
    while ((st = database_step(r->db, s, &found, e)) == ST_OK && found) {
        if (FAILPOINT("log.replay.row"))
            st = log_failed(r, e);
        if (st != ST_OK || (st = row_read(r, s, ++lsn, &next, e)) != ST_OK ||
            (st = hand_over(r, &next, &tables, row, context, e)) != ST_OK)
            break;
    }
    sqlite3_reset(s);
    mem_free(tables.table);
    if (st == ST_OK && FAILPOINT("log.replay.after"))
        st = log_failed(r, e);
    if (st == ST_OK && lsn < r->lsn)
        st = row_damaged(r, e, "is missing", lsn + 1);
    return st == ST_OK ? ST_OK : trouble_after(r, st, e);
}

/* name_hash() of a column; one that is NULL has none. */
static uint64_t column_hash(sqlite3_stmt *s, int place)
{
    const void *text = sqlite3_column_blob(s, place); /* unlike a text, this takes no memory */

    return text ? hash_bytes(text, (size_t)sqlite3_column_bytes(s, place)) : 0;
}

/* What a row that is deleted makes of the sum of the names that are there: the first push of a
   trainer and the first load of a table add one, a trainer that is forgotten takes one off. */
static uint64_t names_more(sqlite3_stmt *s)
{
    if (sqlite3_column_int(s, 3) == CHANGE_FORGET_TRAINER)
        return -column_hash(s, 4);
    if (sqlite3_column_int64(s, 5) == 1)
        return column_hash(s, 4);
    return sqlite3_column_int64(s, 7) == 1 ? column_hash(s, 6) : 0;
}

/* Where the next step ends: after at most so many rows and, but for the last of them, so many
   bytes. */
static enum status next_front(struct registry *r, uint64_t upto, struct front *to, uint64_t *bytes,
                              struct error *e)
{
    sqlite3_stmt *s = database_statement(r->db, LOG_OLDEST);
    enum status st;
    bool row;

    bind_u64(s, 1, r->front.lsn);
    bind_u64(s, 2, upto);
    sqlite3_bind_int(s, 3, DROP_ROWS);
    *to = r->front;
    *bytes = 0;
    st = database_step(r->db, s, &row, e);
    if (st == ST_OK && !row)
        st = row_damaged(r, e, "is missing", r->front.lsn + 1);
    while (st == ST_OK && row) {
        to->lsn = column_u64(s, 0);
        to->checksum = column_u64(s, 1);
        *bytes += column_u64(s, 2);
        to->names += names_more(s);
        if (*bytes >= DROP_BYTES)
            break;
        st = database_step(r->db, s, &row, e);
    }
    sqlite3_reset(s);
    return st;
}

static enum status drop(struct registry *r, const struct front *to, struct error *e)
{
    sqlite3_stmt *s = database_statement(r->db, LOG_DROP);
    enum status st;

    bind_u64(s, 1, to->lsn);
    if (FAILPOINT("log.shorten.before"))
        return log_failed(r, e);
    if ((st = database_run(r->db, s, e)) != ST_OK)
        return st;
    if (FAILPOINT("log.shorten.deleted"))
        return log_failed(r, e);
    s = database_statement(r->db, FRONT_PUT);
    bind_u64(s, 1, to->lsn);
    bind_u64(s, 2, to->checksum);
    bind_u64(s, 3, to->names);
    bind_u64(s, 4, front_seal(to));
    return database_run(r->db, s, e);
}

enum status registry_shorten(struct registry *r, uint64_t upto, bool *more, struct error *e)
{
    uint64_t bytes = 0;
    struct error local;
    struct front to;
    enum status st;
    bool unsynced;

    if (!e)
        e = &local;
    *more = false;
    if (upto > r->lsn)
        upto = r->lsn;
    if ((st = registry_trouble(r, e)) != ST_OK || upto <= r->front.lsn)
        return st;
    if ((st = next_front(r, upto, &to, &bytes, e)) != ST_OK)
        return trouble_after(r, st, e);
    /* Nothing is lost if a power cut brings the rows back, so no sync. */
    unsynced = r->unsynced;
    if ((st = log_begin(r, false, e)) != ST_OK ||
        (st = log_end(r, drop(r, &to, e), false, e)) != ST_OK)
        return st;
    r->unsynced = unsynced;
    r->front = to;
    r->bytes -= bytes;
    (void)FAILPOINT("log.shorten.after");
    *more = to.lsn < upto;
    return ST_OK;
}
