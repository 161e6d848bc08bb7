/* SPDX-License-Identifier: Apache-2.0 */
/* Which tables are saved without being asked. The writer's. */
#include "base/clock.h"
#include "daemon/config.h"
#include "daemon/keep.h"
#include "daemon/writer_parts.h"
#include "table/training.h"

/* Whether the table should be saved without being asked: it has not two snapshots yet, or has
   changed and its newest one is old, or it is one of those for which a large log is kept. */
static bool is_due(const struct writer *w, const struct keep *k, uint64_t hold_most)
{
    const struct snapshot *newest = keep_newest(k);
    uint64_t hold = keep_hold(k);
    int64_t age_us;

    for (unsigned i = 0; i < LINEAGES; i++)
        if (!k->lineage[i].exists)
            return true;
    age_us = clock_wall_us() - newest->time_us;
    if (k->lineage[newest->lineage].first &&
        (age_us < 0 || (uint64_t)age_us >= w->config->snapshot_interval))
        return true;
    return hold && hold <= hold_most;
}

/* A large log may grow a few times larger before tables are saved for it … */
#define LOG_PATIENCE 4

/* … while they would write more than that makes of the log superfluous: a table whose rows are
   pushed to at random is soon changed everywhere, and each of its saves writes all of it and reads
   it back. */
static bool is_worth(const struct writer *w, uint64_t hold_most)
{
    uint64_t log = registry_bytes(w->registry), cost = 0;

    if (log / LOG_PATIENCE >= w->config->log_save_bytes)
        return true;
    for (size_t i = 0; i < w->catalog->count; i++) {
        const struct keep *k = w->catalog->entry[i]->keep;
        uint64_t hold = k ? keep_hold(k) : 0;

        if (hold && hold <= hold_most)
            cost +=
                2 * BLOCK_BYTES * blocks_changed(training_blocks(k->entry->training), keep_turn(k));
    }
    return log >= cost;
}

void saves_tick(struct writer *w)
{
    uint64_t now = clock_now_us(), most = log_hold_most(w);

    if (!w->registry || w->troubled || w->stopping)
        return;
    if (most && !is_worth(w, most))
        most = 0;
    for (size_t i = 0; i < w->catalog->count; i++) {
        const struct entry *entry = w->catalog->entry[i];
        struct keep *k = entry->keep;

        if (k)
            atomic_store_explicit(&entry->gauges->memory_bytes, entry_training_bytes(entry),
                                  memory_order_relaxed);
        if (k && !entry->refusal && !saves_busy(k) && !k->queued && now >= k->retry_us &&
            is_due(w, k, most))
            saves_queue(w, k);
    }
    saves_next(w);
}
