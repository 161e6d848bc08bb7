/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of the registry: one, or several in one transaction. The log is written first, then
 * memory.
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/registry_parts.h"

static enum status check_kind(const struct name *known, enum change_kind kind, const char *name,
                              struct error *e)
{
    bool served = known && known->state == TABLE_SERVED;

    if (!table_name_valid(name, strlen(name)))
        return error_set(e, ST_INVALID, "%s is no name for a table", QUOTE(name));
    if (kind == CHANGE_LOAD && served)
        return error_set(e, ST_EXISTS, "table %s is served already", QUOTE(name));
    if (kind == CHANGE_FORGET && known && known->state != TABLE_FORGOTTEN)
        return ST_OK;
    if (kind != CHANGE_LOAD && !served)
        return error_set(e, ST_NOT_FOUND, "table %s is not served", QUOTE(name));
    return ST_OK;
}

/* The body of a log row is JSON, which holds nothing but UTF-8. */
static enum status check_texts(struct registry *r, const struct registered *now, struct error *e)
{
    sqlite3_stmt *s = database_statement(r->db, OPTIONS_VALID);
    enum status st;
    bool row, valid;

    if (now->file[0] != '/' || !utf8_valid(now->file, strlen(now->file)))
        return error_set(e, ST_INVALID, "%s is not an absolute path in UTF-8", QUOTE(now->file));
    bind_text(s, 1, now->options);
    if ((st = database_step(r->db, s, &row, e)) != ST_OK)
        return st;
    valid = row && sqlite3_column_int(s, 0) && utf8_valid(now->options, strlen(now->options));
    sqlite3_reset(s);
    if (!valid)
        return error_set(e, ST_INVALID, "the options %s are not a JSON object",
                         QUOTE(now->options));
    return ST_OK;
}

/* What the name will be after the change, which is row `lsn` of the log. */
static enum status make_next(struct name **out, uint64_t lsn, const struct name *known,
                             enum change_kind kind, const struct registered *change,
                             struct error *e)
{
    bool whole = kind == CHANGE_LOAD || kind == CHANGE_REPLACE;
    const struct registered *from = whole ? change : &known->now;
    const struct registered *options = kind == CHANGE_OPTIONS ? change : from;
    struct name *next = name_new(from->file, options->options);
    char *file, *settings;
    enum status st;

    if (!next)
        return error_memory(e, "registry");
    file = next->now.file;
    settings = next->now.options;
    next->now = *from;
    next->now.file = file;
    next->now.options = settings;
    next->now.by = change->by;
    next->now.lsn = lsn;
    next->now.time_us = clock_wall_us();
    next->now.generation = (known ? known->now.generation : 0) + (kind == CHANGE_LOAD);
    next->now.served = kind != CHANGE_UNLOAD && kind != CHANGE_FORGET;
    next->state = kind == CHANGE_UNLOAD   ? TABLE_UNLOADED
                  : kind == CHANGE_FORGET ? TABLE_FORGOTTEN
                                          : TABLE_SERVED;
    if (known && kind != CHANGE_LOAD)
        next->pushed = next->staged = known->pushed;
    st = name_seal(&next->seal, next, e);
    if (st == ST_OK)
        *out = next;
    else
        name_free(next);
    return st;
}

static enum status put_table(struct registry *r, const struct name *next, struct error *e)
{
    sqlite3_stmt *s = database_statement(r->db, TABLE_PUT);
    const struct registered *now = &next->now;

    bind_text(s, 1, now->name);
    sqlite3_bind_int(s, 2, next->state);
    bind_u64(s, 3, now->lsn);
    sqlite3_bind_int64(s, 4, now->time_us);
    bind_u64(s, 5, now->generation);
    bind_u64(s, 6, now->version);
    sqlite3_bind_int(s, 7, now->by);
    bind_text(s, 8, now->file);
    bind_text(s, 9, now->options);
    bind_u64(s, 10, now->identity.device);
    bind_u64(s, 11, now->identity.inode);
    bind_u64(s, 12, now->identity.size);
    sqlite3_bind_int64(s, 13, now->identity.mtime_ns);
    sqlite3_bind_int64(s, 14, now->identity.ctime_ns);
    bind_u64(s, 15, now->checksum);
    sqlite3_bind_int(s, 16, now->trainable);
    bind_u64(s, 17, now->header_hash);
    bind_u64(s, 18, next->seal);
    return database_run(r->db, s, e);
}

/* The row of the log is what the name's row became; `row` is told its checksum and size. */
static enum status add_log(struct registry *r, const struct registered *now, enum change_kind kind,
                           struct row *row, struct error *e)
{
    sqlite3_stmt *s = database_statement(r->db, TABLE_BODY);
    uint64_t numbers[3] = {now->lsn, kind, (uint64_t)now->time_us};
    enum status st;
    bool found;

    *row = (struct row){.lsn = now->lsn, .kind = kind, .time_us = now->time_us};
    bind_text(s, 1, now->name);
    if ((st = database_step(r->db, s, &found, e)) != ST_OK)
        return st;
    row->body = found ? sqlite3_column_text(s, 0) : NULL;
    row->n = (size_t)sqlite3_column_bytes(s, 0);
    if (!row->body)
        st = error_memory(e, "body of a change");
    else
        st = row_checksum(&row->checksum, numbers, 3, row->body, row->n, e);
    if (st == ST_OK)
        st = row_add(r, row, e);
    sqlite3_reset(s);
    return st;
}

/* One transaction; `last` is told of the last row, with the bytes of all. */
static enum status write_changes(struct registry *r, struct name *const *next,
                                 const enum change_kind *kind, size_t count, struct row *last,
                                 struct error *e)
{
    enum status st = log_begin(r, true, e);
    size_t bytes = 0;

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < count && st == ST_OK; i++) {
        st = put_table(r, next[i], e);
        if (st == ST_OK)
            st = add_log(r, &next[i]->now, kind[i], last, e);
        bytes += last->n;
    }
    last->n = bytes;
    return log_end(r, st, true, e);
}

static enum status prepare(struct registry *r, struct name **next, uint64_t lsn,
                           enum change_kind kind, const struct registered *change, struct error *e)
{
    bool found;
    size_t place = names_find(r, change->name, &found);
    const struct name *known = found ? r->names[place] : NULL;
    enum status st;

    assert(kind >= CHANGE_LOAD && kind <= CHANGE_OPTIONS);
    if ((st = check_kind(known, kind, change->name, e)) != ST_OK ||
        (st = make_next(next, lsn, known, kind, change, e)) != ST_OK)
        return st;
    return check_texts(r, &(*next)->now, e);
}

static void tell(struct registered *change, const struct registered *now)
{
    change->lsn = now->lsn;
    change->time_us = now->time_us;
    change->generation = now->generation;
    change->served = now->served;
}

enum status registry_changes(struct registry *r, const enum change_kind *kind,
                             struct registered *change, size_t count, struct error *e)
{
    struct name **next = mem_zero(count, sizeof(struct name *));
    struct row last = {.lsn = 0};
    struct error local;
    enum status st;

    if (!e)
        e = &local;
    if (!next)
        return error_memory(e, "registry");
    st = registry_trouble(r, e);
    for (size_t i = 0; i < count && st == ST_OK; i++)
        st = prepare(r, &next[i], r->lsn + 1 + i, kind[i], &change[i], e);
    if (st == ST_OK)
        st = names_reserve(r, count, e);
    if (st == ST_OK && count)
        st = write_changes(r, next, kind, count, &last, e);
    if (st == ST_OK && count) {
        log_advance(r, last.lsn, last.checksum, last.n);
        for (size_t i = 0; i < count; i++) {
            tell(&change[i], &next[i]->now);
            names_put(r, next[i]);
            next[i] = NULL;
        }
    }
    for (size_t i = 0; i < count; i++)
        name_free(next[i]);
    mem_free(next);
    return st;
}

enum status registry_change(struct registry *r, enum change_kind kind, struct registered *change,
                            struct error *e)
{
    return registry_changes(r, &kind, change, 1, e);
}
