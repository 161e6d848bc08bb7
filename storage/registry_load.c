/* SPDX-License-Identifier: Apache-2.0 */
/* Tables and trainers, as their own tables in log.db say. */
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "storage/registry_parts.h"

static struct name *new_name(sqlite3_stmt *s)
{
    const char *file = (const char *)sqlite3_column_text(s, 7);
    const char *options = (const char *)sqlite3_column_text(s, 8);

    return file && options ? name_new(file, options) : NULL;
}

static enum status load_name(struct registry *r, sqlite3_stmt *s, struct error *e)
{
    const char *name = (const char *)sqlite3_column_text(s, 0);
    struct name *row;
    enum status st;

    if (!name || !table_name_valid(name, (size_t)sqlite3_column_bytes(s, 0)))
        return error_set(e, ST_DATA_LOSS, "%s is damaged: it has a table without a name",
                         QUOTE(r->db->path));
    if ((st = names_reserve(r, 1, e)) != ST_OK)
        return st;
    row = new_name(s);
    if (!row)
        return error_memory(e, "registry");
    memcpy(row->now.name, name, strlen(name) + 1);
    row->state = (enum table_state)sqlite3_column_int(s, 1);
    row->now.served = row->state == TABLE_SERVED;
    row->now.lsn = column_u64(s, 2);
    row->now.time_us = sqlite3_column_int64(s, 3);
    row->now.generation = column_u64(s, 4);
    row->now.version = column_u64(s, 5);
    row->now.by = sqlite3_column_int(s, 6) ? BY_CALL : BY_CONFIGURATION;
    row->now.identity =
        (struct file_identity){column_u64(s, 9), column_u64(s, 10), column_u64(s, 11),
                               sqlite3_column_int64(s, 12), sqlite3_column_int64(s, 13)};
    row->now.checksum = column_u64(s, 14);
    row->now.trainable = sqlite3_column_int(s, 15) != 0;
    row->now.header_hash = column_u64(s, 16);
    row->sealed = sqlite3_column_type(s, 17) != SQLITE_NULL;
    row->seal = column_u64(s, 17);
    names_put(r, row);
    return ST_OK;
}

static enum status load_trainer(struct registry *r, sqlite3_stmt *s, struct error *e)
{
    const char *name = (const char *)sqlite3_column_text(s, 0);
    struct trainer *trainer;
    enum status st;

    if (!name || !trainer_valid(name, (size_t)sqlite3_column_bytes(s, 0)) ||
        trainers_find(&r->trainers, name))
        return error_set(e, ST_DATA_LOSS, "%s is damaged: it has a trainer without a name",
                         QUOTE(r->db->path));
    if ((st = trainers_add(&r->trainers, name, &trainer, e)) != ST_OK)
        return st;
    trainer->now.sequence = column_u64(s, 1);
    trainer->now.content[0] = column_u64(s, 2);
    trainer->now.content[1] = column_u64(s, 3);
    trainer->now.lsn = column_u64(s, 4);
    trainer->now.time_us = sqlite3_column_int64(s, 5);
    if (position_seal(&trainer->now) != column_u64(s, 6))
        return error_set(e, ST_DATA_LOSS, "%s is damaged: trainer %s does not fit its seal",
                         QUOTE(r->db->path), QUOTE(name));
    return ST_OK;
}

static enum status load(struct registry *r, enum log_statement number,
                        enum status (*one)(struct registry *r, sqlite3_stmt *s, struct error *e),
                        struct error *e)
{
    sqlite3_stmt *s = database_statement(r->db, number);
    enum status st;
    bool row;

    while ((st = database_step(r->db, s, &row, e)) == ST_OK && row)
        if ((st = one(r, s, e)) != ST_OK)
            break;
    sqlite3_reset(s);
    return st;
}

enum status load_names(struct registry *r, struct error *e)
{
    return load(r, TABLE_ROWS, load_name, e);
}

enum status load_trainers(struct registry *r, struct error *e)
{
    return load(r, TRAINER_ROWS, load_trainer, e);
}

static enum status put_seal(struct registry *r, struct name *name, struct error *e)
{
    sqlite3_stmt *s;
    enum status st = name_seal(&name->seal, name, e);

    if (st != ST_OK)
        return st;
    s = database_statement(r->db, TABLE_SEAL);
    bind_u64(s, 1, name->seal);
    bind_text(s, 2, name->now.name);
    return database_run(r->db, s, e);
}

enum status seal_names(struct registry *r, struct error *e)
{
    enum status st = ST_OK;
    size_t first = 0;

    while (first < r->count && r->names[first]->sealed)
        first++;
    if (first == r->count)
        return ST_OK;
    if ((st = log_begin(r, true, e)) != ST_OK)
        return st;
    for (size_t i = first; i < r->count && st == ST_OK; i++)
        if (!r->names[i]->sealed)
            st = put_seal(r, r->names[i], e);
    return log_end(r, st, true, e);
}
