/* SPDX-License-Identifier: Apache-2.0 */
/* The replay of counts of lookups, which make no version of their table: where they belong is told
   by their place in the log. The writer's. */
#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "daemon/push.h"
#include "daemon/replay_parts.h"
#include "storage/count_body.h"
#include "table/training.h"

void replay_note(struct keep *k, uint64_t lsn)
{
    for (unsigned i = 0; i < LINEAGES; i++) {
        struct keep_lineage *l = &k->lineage[i];

        if (l->exists && !l->first && lsn > l->snapshot.lsn)
            l->first = lsn;
    }
}

/* A row of a table that is not served, or damaged: it stays if it is behind the older snapshot. */
static enum status keep_counts(struct replay *r, const struct count_row *c, uint64_t lsn,
                               struct error *e)
{
    for (size_t i = 0; i < r->absents; i++) {
        const struct absent *a = &r->absent[i];

        if (a->generation == c->generation && c->version >= a->version && lsn > a->lsn &&
            !strcmp(a->name, c->name))
            return holds_add(r->w, c->name, c->generation, a->version, lsn, e);
    }
    return ST_OK;
}

static enum status read_counts(struct counted **out, const struct count_body *body,
                               const struct entry *entry, struct error *e)
{
    struct count_body rest = *body;
    struct counted *counted = mem_zero(body->row.count, sizeof *counted);
    size_t n = 0;

    if (!counted)
        return error_memory(e, "replay");
    while (count_body_next(&rest, &counted[n]) && counted[n].row < entry->table->rows)
        n++;
    if (n == body->row.count && training_can_count(entry->training)) {
        *out = counted;
        return ST_OK;
    }
    mem_free(counted);
    return error_set(e, ST_DATA_LOSS,
                     "the log counts rows at version %" PRIu64 " that the snapshot does not",
                     body->row.version);
}

/* Counts belong to the content that has their version, and are in a snapshot of it or not. */
enum status replay_counts(struct replay *r, const struct logged *l, struct error *e)
{
    const struct count_row *c = &l->count->row;
    struct entry *entry = catalog_find(r->w->catalog, c->name, strlen(c->name));
    struct counted *counted = NULL;
    struct error trouble;
    enum status st;

    if (!entry || !entry->keep)
        return keep_counts(r, c, l->lsn, e);
    if (entry->generation != c->generation || c->version < entry->keep->since)
        return ST_OK;
    replay_note(entry->keep, l->lsn);
    if (l->lsn <= entry->table->lsn)
        return ST_OK;
    if (c->version != entry->version)
        st = error_set(&trouble, ST_DATA_LOSS,
                       "the log counts at version %" PRIu64
                       ", the newest good snapshot and the log lead to %" PRIu64,
                       c->version, (uint64_t)entry->version);
    else
        st = read_counts(&counted, l->count, entry, &trouble);
    if (st == ST_OK)
        counts_apply(entry, counted, c->count);
    else
        st = replay_end(r, entry, st, &trouble, e);
    mem_free(counted);
    return st;
}
