/* SPDX-License-Identifier: Apache-2.0 */
/* The replay of ids that come and go. The writer's. */
#include <string.h>

#include "daemon/push.h"
#include "daemon/replay_parts.h"
#include "table/training.h"

static enum status apply(struct entry *entry, const struct growth_row *row, bool admits,
                         struct error *e)
{
    struct growth *growth = training_growth(entry->training);
    enum status st = replay_version(entry, row->version, e);

    if (st == ST_OK && !growth)
        st = error_set(e, ST_DATA_LOSS, "the log %s ids, and the table does not grow",
                       admits ? "admits" : "evicts");
    if (st == ST_OK)
        st = growth_check(growth, admits, row->keys, row->rows, row->count, e);
    if (st == ST_OK)
        st = replay_settle(entry, e);
    if (st == ST_OK)
        (admits ? push_admit : push_evict)(entry, row);
    return st;
}

enum status replay_growth(struct replay *r, const struct logged *l, struct error *e)
{
    const struct growth_row *g = l->growth;
    struct push_table t = {.generation = g->generation, .version = g->version};
    struct entry *entry = catalog_find(r->w->catalog, g->name, strlen(g->name));
    struct error trouble;
    enum status st;

    memcpy(t.name, g->name, sizeof t.name);
    if (!entry || !entry->keep)
        return replay_keep(r, &t, l->lsn, e);
    if (entry->generation != g->generation)
        return ST_OK;
    replay_note_version(entry->keep, &t, l->lsn);
    if (g->version <= entry->version)
        return ST_OK;
    st = apply(entry, g, l->kind == CHANGE_ADMIT, &trouble);
    return st == ST_OK ? ST_OK : replay_end(r, entry, st, &trouble, e);
}
