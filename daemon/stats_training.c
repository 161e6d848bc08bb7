/* SPDX-License-Identifier: Apache-2.0 */
/* From rows of stats.db to the part of a StatsResponse that is about training. The main thread's.
 */
#include "daemon/stats_training.h"

#include <string.h>

#include "daemon/recorder_training.h"
#include "daemon/server.h"

struct training_item {
    struct training_item *next;
    Embd__V1__TrainingRow row;
};

struct refusal_item {
    struct refusal_item *next;
    Embd__V1__RefusalRow row;
};

void training_answer_init(struct training_answer *a, struct arena *arena)
{
    *a = (struct training_answer){.arena = arena};
    a->last_training = &a->training;
    a->last_refusal = &a->refusals;
}

static enum status take_training(void *context, const struct training_row *row)
{
    const struct training_sums *sums = row->sums;
    struct training_answer *a = context;
    struct training_item *item = arena_alloc(a->arena, 1, sizeof *item);
    char *table = arena_text(a->arena, row->table, strlen(row->table));

    if (!item || !table)
        return error_memory(a->e, "the reply");
    item->next = NULL;
    item->row = (Embd__V1__TrainingRow)EMBD__V1__TRAINING_ROW__INIT;
    item->row.table = table;
    item->row.start = row->start_s;
    item->row.seconds = row->seconds;
    item->row.pushes = sums->pushes;
    item->row.ids = sums->ids;
    item->row.rows = sums->rows;
    item->row.skipped = sums->skipped;
    item->row.kept = sums->kept;
    item->row.saturated = sums->saturated;
    item->row.clipped = sums->clipped;
    item->row.changed_bytes = sums->changed_bytes;
    item->row.snapshots = sums->snapshots;
    item->row.snapshot_bytes = sums->snapshot_bytes;
    item->row.save_us = sums->save_us;
    item->row.save_pause_us = sums->save_pause_us;
    item->row.version = row->state->version;
    item->row.snapshot_version = row->state->snapshot_version;
    item->row.snapshot_time = row->state->snapshot_s;
    item->row.admitted = sums->admitted;
    item->row.evicted = sums->evicted;
    item->row.crowded = sums->crowded;
    item->row.used_rows = row->state->used_rows;
    item->row.memory_bytes = row->state->memory_bytes;
    *a->last_training = item;
    a->last_training = &item->next;
    a->training_count++;
    return ST_OK;
}

static enum status take_refusal(void *context, const struct refusal_row *row)
{
    struct training_answer *a = context;
    struct refusal_item *item = arena_alloc(a->arena, 1, sizeof *item);
    char *trainer = arena_text(a->arena, row->trainer, strlen(row->trainer)),
         *reason = arena_text(a->arena, row->reason, strlen(row->reason));

    if (!item || !trainer || !reason)
        return error_memory(a->e, "the reply");
    item->next = NULL;
    item->row = (Embd__V1__RefusalRow)EMBD__V1__REFUSAL_ROW__INIT;
    item->row.trainer = trainer;
    item->row.status = row->status;
    item->row.reason = reason;
    item->row.start = row->start_s;
    item->row.seconds = row->seconds;
    item->row.count = row->count;
    *a->last_refusal = item;
    a->last_refusal = &item->next;
    a->refusal_count++;
    return ST_OK;
}

static void put_log(struct training_answer *a, const struct server *server)
{
    struct log_state log = log_state_now(server);

    a->log = (Embd__V1__LogInfo)EMBD__V1__LOG_INFO__INIT;
    a->log.lsn = log.lsn;
    a->log.rows = log.rows;
    a->log.bytes = log.bytes;
    a->log.disk_bytes = log.disk_bytes;
    a->log.queued_bytes = log.queued_bytes;
    a->log.replay_us = server->opening.replay_us;
    a->log.replay_rows = server->opening.replayed;
    a->log.replay_pushes = server->opening.pushes;
}

enum status training_answer_ask(struct training_answer *a, struct statistics *db,
                                const struct statistics_query *query, const struct server *server,
                                struct error *e)
{
    enum status st;

    a->e = e;
    a->whole = !query->table;
    st = statistics_query_training(db, query, take_training, a, e);
    if (st != ST_OK || !a->whole)
        return st;
    put_log(a, server);
    return statistics_query_refusals(db, query, take_refusal, a, e);
}

enum status training_answer_lay_out(struct training_answer *a, Embd__V1__StatsResponse *reply,
                                    struct error *e)
{
    size_t n = 0;

    reply->training = arena_alloc(a->arena, a->training_count, sizeof *reply->training);
    reply->refusals = arena_alloc(a->arena, a->refusal_count, sizeof *reply->refusals);
    if (!reply->training || !reply->refusals)
        return error_memory(e, "the reply");
    for (struct training_item *i = a->training; i; i = i->next)
        reply->training[n++] = &i->row;
    reply->n_training = n;
    n = 0;
    for (struct refusal_item *i = a->refusals; i; i = i->next)
        reply->refusals[n++] = &i->row;
    reply->n_refusals = n;
    if (a->whole)
        reply->log = &a->log;
    return ST_OK;
}
