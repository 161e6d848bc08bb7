/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the log about ids that come and go. */
#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/registry_parts.h"

struct name *names_served(const struct registry *r, const char *name)
{
    bool found;
    size_t place = names_find(r, name, &found);

    return found && r->names[place]->state == TABLE_SERVED ? r->names[place] : NULL;
}

enum status growth_stage(struct registry *r, const struct growth_row *growth, struct name **out,
                         struct error *e)
{
    struct name *name = names_served(r, growth->name);
    uint64_t last;

    if (!name)
        return error_set(e, ST_NOT_FOUND, "table %s is not served", QUOTE(growth->name));
    last = name->staged > name->pushed ? name->staged : name->pushed;
    if (growth->generation != name->now.generation || growth->version <= last)
        return error_set(e, ST_INTERNAL,
                         "ids of generation %" PRIu64 " and version %" PRIu64
                         " of table %s do not follow generation %" PRIu64 ", version %" PRIu64,
                         growth->generation, growth->version, QUOTE(growth->name),
                         name->now.generation, last);
    *out = name;
    return ST_OK;
}

enum status growth_write_row(struct registry *r, const struct growth_row *growth,
                             enum change_kind kind, unsigned char *scratch, struct row *row,
                             struct error *e)
{
    uint64_t numbers[3] = {htole64(growth->lsn), htole64(kind), htole64((uint64_t)growth->time_us)};

    if (FAILPOINT("log.growth.before"))
        return log_failed(r, e);
    *row = (struct row){.lsn = growth->lsn,
                        .kind = kind,
                        .time_us = growth->time_us,
                        .body = scratch + ROW_NUMBERS,
                        .n = growth_body_size(growth)};
    memcpy(scratch, numbers, ROW_NUMBERS);
    growth_body_write(scratch + ROW_NUMBERS, growth);
    row->checksum = hash_bytes(scratch, ROW_NUMBERS + row->n);
    return row_add(r, row, e);
}

enum status registry_evict(struct registry *r, struct growth_row *growth, struct error *e)
{
    unsigned char *scratch = NULL;
    struct name *name = NULL;
    struct row row = {0};
    struct error local;
    enum status st;

    if (!e)
        e = &local;
    if ((st = registry_trouble(r, e)) != ST_OK ||
        (st = registry_checkpoint(r, false, e)) != ST_OK ||
        (st = growth_stage(r, growth, &name, e)) != ST_OK)
        return st;
    growth->lsn = r->lsn + 1;
    growth->time_us = clock_wall_us();
    scratch = mem_alloc(ROW_NUMBERS + growth_body_size(growth));
    if (!scratch)
        return error_memory(e, "a row of the log");
    if ((st = log_begin(r, true, e)) == ST_OK)
        st = log_end(r, growth_write_row(r, growth, CHANGE_EVICT, scratch, &row, e), true, e);
    mem_free(scratch);
    if (st != ST_OK)
        return st;
    name->pushed = name->staged = growth->version;
    log_advance(r, row.lsn, row.checksum, row.n);
    return ST_OK;
}
