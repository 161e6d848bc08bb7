/* SPDX-License-Identifier: Apache-2.0 */
/* Rows that no push has named for long are given up: a bounded number at a time, between two groups
   of pushes, by itself once a second and before a push that finds a table full. The writer's. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/keep.h"
#include "daemon/push.h"
#include "daemon/server.h"
#include "daemon/worker.h"
#include "daemon/writer_parts.h"
#include "table/training.h"

#define EVICT_MOST 4096 /* ids of one row of the log */
#define SWEEPS 16       /* of one table, once a second */

void writer_rouse(struct writer *w, struct entry *entry)
{
    for (unsigned i = 0; i < w->server->worker_count; i++)
        if (gate_waits(&entry->gate, i))
            worker_rouse(w->server->worker[i]);
}

static enum status evict(struct writer *w, struct entry *entry, const int64_t *key,
                         const uint64_t *row, size_t n, struct error *e)
{
    struct growth_row change = {.generation = entry->generation,
                                .version = entry->version + 1,
                                .keys = key,
                                .rows = row,
                                .count = n};
    enum status st;

    memcpy(change.name, entry->name, entry->name_length + 1);
    st = registry_evict(w->registry, &change, e);
    if (st != ST_OK)
        return st;
    push_evict(entry, &change);
    keep_changed(entry->keep, change.lsn);
    writer_rouse(w, entry);
    atomic_store(&w->server->lsn, change.lsn);
    return ST_OK;
}

/* One sweep; returns how many rows it gave up. */
static size_t sweep(struct writer *w, struct entry *entry)
{
    static struct log_limit limit;
    struct growth *g = training_growth(entry->training);
    int64_t key[EVICT_MOST];
    uint64_t row[EVICT_MOST];
    size_t n = growth_sweep(g, clock_wall_s(), key, row, EVICT_MOST);
    struct error e;
    enum status st;

    if (!n)
        return 0;
    st = writer_writable(w, &e);
    if (st == ST_OK)
        counts_fold(w, entry); /* what they were looked up is theirs, not their successors' */
    if (st == ST_OK)
        st = evict(w, entry, key, row, n, &e);
    if (st == ST_OK)
        return n;
    growth_note(g, 0); /* they are still there */
    log_limited(&limit, 1, LOG_WARN, "rows were not given up table=%s error=%s", entry->name,
                e.text);
    return 0;
}

/* Whether rows of the table may go now. */
static bool may(const struct writer *w, const struct entry *entry)
{
    return w->registry && !w->troubled && entry->keep && !entry->refusal &&
           training_growth(entry->training) &&
           growth_may_evict(training_growth(entry->training), clock_wall_s());
}

void grow_make_room(struct writer *w)
{
    if (!w->wants_rows)
        return;
    w->wants_rows = false;
    for (size_t i = 0; i < w->catalog->count; i++) {
        struct entry *entry = w->catalog->entry[i];

        if (entry->wants_rows && may(w, entry))
            sweep(w, entry);
        entry->wants_rows = false;
    }
}

void grow_tick(struct writer *w)
{
    for (size_t i = 0; i < w->catalog->count && !w->stopping; i++) {
        struct entry *entry = w->catalog->entry[i];
        size_t rows = 0;

        for (unsigned s = 0; s < SWEEPS && may(w, entry); s++)
            rows += sweep(w, entry);
        if (rows)
            log_debug("rows given up table=%s rows=%zu version=%" PRIu64, entry->name, rows,
                      (uint64_t)entry->version);
    }
}
