/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of lookups: what the workers have counted is logged as one change a table, and added to
   its frequency as a push is applied. The writer's. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "daemon/config.h"
#include "daemon/keep.h"
#include "daemon/push.h"
#include "daemon/server.h"
#include "daemon/worker.h"
#include "daemon/writer_parts.h"
#include "table/training.h"

/* What a crash may lose of them. */
#define FOLD_US 5000000

static enum status log_counts(struct writer *w, struct count_row *row, struct error *e)
{
    enum status st = registry_count(w->registry, row, e);

    if (st == ST_OK)
        pushes_unsynced(w);
    else if (st != ST_EXHAUSTED)
        writer_give_up(w, e);
    return st;
}

static void apply(struct writer *w, struct entry *entry, const struct count_row *row)
{
    counts_apply(entry, row->counted, row->count);
    keep_changed(entry->keep, row->lsn);
    for (unsigned i = 0; i < w->server->worker_count; i++)
        if (gate_waits(&entry->gate, i))
            worker_rouse(w->server->worker[i]);
    atomic_store(&w->server->lsn, row->lsn);
}

void counts_fold(struct writer *w, struct entry *entry)
{
    static struct log_limit limit;
    struct count_row row = {.generation = entry->generation, .version = entry->version};
    struct counted *counted = NULL;
    struct error e;
    enum status st;

    /* A table that is being replaced or unloaded has to stay as it is. */
    if (!w->registry || w->troubled || !entry->samples || entry->refusal)
        return;
    st = samples_take(entry->samples, &counted, &row.count, &e);
    if (st == ST_OK && counted) {
        memcpy(row.name, entry->name, sizeof row.name);
        row.counted = counted;
        st = log_counts(w, &row, &e);
        if (st == ST_OK)
            apply(w, entry, &row);
    }
    if (st != ST_OK)
        log_limited(&limit, 5, LOG_WARN, "lookups were not counted table=%s status=%s error=%s",
                    entry->name, status_name(st), e.text);
    mem_free(counted);
}

void counts_fold_all(struct writer *w)
{
    for (size_t i = 0; i < w->catalog->count; i++)
        counts_fold(w, w->catalog->entry[i]);
    w->fold_us = clock_now_us() + FOLD_US;
}

void counts_tick(struct writer *w)
{
    if (clock_now_us() >= w->fold_us)
        counts_fold_all(w);
}
