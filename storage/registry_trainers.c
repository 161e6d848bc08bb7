/* SPDX-License-Identifier: Apache-2.0 */
/* The positions of trainers: asked for, and forgotten. */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "storage/registry_parts.h"

const struct position *registry_position(const struct registry *r, const char *trainer)
{
    const struct trainer *t = trainers_find(&r->trainers, trainer);

    return t ? &t->now : NULL;
}

size_t registry_trainers(const struct registry *r)
{
    return r->trainers.count;
}

size_t registry_positions(const struct registry *r, const struct position **out, size_t room)
{
    size_t n = 0;

    for (size_t i = 0; i < r->trainers.slots && n < room; i++)
        if (r->trainers.slot[i])
            out[n++] = &r->trainers.slot[i]->now;
    return n;
}

void registry_set_max_trainers(struct registry *r, size_t most)
{
    r->max_trainers = most;
}

static enum status drop_trainer(struct registry *r, const char *name, struct error *e)
{
    sqlite3_stmt *s = database_statement(r->db, TRAINER_DROP);

    bind_text(s, 1, name);
    return database_run(r->db, s, e);
}

enum status registry_forget_trainer(struct registry *r, const char *trainer, uint64_t *lsn,
                                    struct error *e)
{
    struct trainer *t = trainers_find(&r->trainers, trainer);
    char body[FORGET_BODY_MAX];
    struct error local;
    struct row row;
    enum status st;

    if (!e)
        e = &local;
    if (!t)
        return error_set(e, ST_NOT_FOUND, "there is no trainer %s", QUOTE(trainer));
    row = (struct row){.lsn = r->lsn + 1,
                       .kind = CHANGE_FORGET_TRAINER,
                       .time_us = clock_wall_us(),
                       .trainer = t->now.trainer,
                       .sequence = t->now.sequence,
                       .body = forget_body(body, t->now.trainer, t->now.sequence),
                       .n = strlen(body)};
    if ((st = row_checksum(&row.checksum, (uint64_t[]){row.lsn, row.kind, (uint64_t)row.time_us}, 3,
                           body, row.n, e)) != ST_OK ||
        (st = registry_trouble(r, e)) != ST_OK || (st = log_begin(r, true, e)) != ST_OK)
        return st;
    if ((st = row_add(r, &row, e)) == ST_OK)
        st = drop_trainer(r, row.trainer, e);
    if ((st = log_end(r, st, true, e)) != ST_OK)
        return st;
    trainers_remove(&r->trainers, t);
    log_advance(r, row.lsn, row.checksum, row.n);
    *lsn = row.lsn;
    return ST_OK;
}
