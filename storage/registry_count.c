/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of lookups. They are logged like pushes, and need not wait for the disk. */
#include <inttypes.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/registry_parts.h"

/* What the log will be held against when it is opened. */
static enum status check(const struct registry *r, const struct count_row *row, struct error *e)
{
    const struct name *name;
    bool found;
    size_t place = names_find(r, row->name, &found);

    name = found ? r->names[place] : NULL;
    if (!name || name->state != TABLE_SERVED)
        return error_set(e, ST_NOT_FOUND, "table %s is not served", QUOTE(row->name));
    if (row->generation != name->now.generation || row->version < name->pushed)
        return error_set(e, ST_INTERNAL,
                         "counts of generation %" PRIu64 " at version %" PRIu64
                         " of table %s do not follow generation %" PRIu64 ", version %" PRIu64,
                         row->generation, row->version, QUOTE(row->name), name->now.generation,
                         name->pushed);
    return ST_OK;
}

static enum status write_row(struct registry *r, struct row *row, struct error *e)
{
    uint64_t numbers[3] = {row->lsn, row->kind, (uint64_t)row->time_us};
    enum status st = row_checksum(&row->checksum, numbers, 3, row->body, row->n, e);

    if (st != ST_OK || (st = log_begin(r, false, e)) != ST_OK)
        return st;
    return log_end(r, row_add(r, row, e), false, e);
}

enum status registry_count(struct registry *r, struct count_row *count, struct error *e)
{
    size_t most = (size_t)sqlite3_limit(r->db->db, SQLITE_LIMIT_LENGTH, -1) / 2;
    struct row row = {.kind = CHANGE_COUNT, .lsn = r->lsn + 1, .time_us = clock_wall_us()};
    struct error local;
    enum status st;
    void *body;

    if (!e)
        e = &local;
    if ((st = registry_trouble(r, e)) != ST_OK ||
        (st = registry_checkpoint(r, false, e)) != ST_OK || (st = check(r, count, e)) != ST_OK)
        return st;
    body = mem_alloc(count_body_most(count));
    if (!body)
        return error_memory(e, "counts of lookups");
    row.body = body;
    row.n = count_body_write(body, count);
    if (row.n > most)
        st = error_set(e, ST_EXHAUSTED, "counts of %zu bytes are too long for the log", row.n);
    else
        st = write_row(r, &row, e);
    mem_free(body);
    if (st != ST_OK)
        return st;
    count->lsn = row.lsn;
    log_advance(r, row.lsn, row.checksum, row.n);
    return ST_OK;
}
