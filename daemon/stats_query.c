/* SPDX-License-Identifier: Apache-2.0 */
/* From rows of stats.db to a StatsResponse. The main thread's. */
#include "daemon/stats_query.h"

#include <string.h>

#include "base/arena.h"
#include "base/block.h"
#include "base/clock.h"
#include "base/memory.h"
#include "daemon/config.h"
#include "daemon/control.h"
#include "daemon/recorder.h"
#include "daemon/server.h"
#include "daemon/services.h"
#include "daemon/stats_training.h"
#include "proto/embd.pb-c.h"

/* Rows of one answer. A query keeps the main thread from statistics and health pages while it runs:
   so many rows take it some tenths of a second. */
#define ROWS_MOST 50000
#define ARENA_MOST ((size_t)256 << 20)

enum status stats_query_new(struct stats_query **out, const char *table, const char *call,
                            struct error *e)
{
    struct stats_query *q = mem_zero(1, sizeof *q);

    if (q && *table)
        q->table = mem_text(table, strlen(table));
    if (q && *call)
        q->call = mem_text(call, strlen(call));
    if (!q || (*table && !q->table) || (*call && !q->call)) {
        stats_query_free(q);
        return error_memory(e, "statistics query");
    }
    *out = q;
    return ST_OK;
}

void stats_query_free(struct stats_query *q)
{
    if (!q)
        return;
    block_unref(q->reply);
    mem_free(q->table);
    mem_free(q->call);
    mem_free(q);
}

/* The answer while it grows. Rows are linked and counted, since their number is known last. */
struct row {
    struct row *next;
    Embd__V1__StatsRow row;
};

struct memory_row {
    struct memory_row *next;
    Embd__V1__MemoryRow row;
};

struct answer {
    const struct stats_query *query;
    struct arena arena;
    struct row *rows, **last_row;
    struct memory_row *memory, **last_memory;
    size_t row_count, memory_count;
    struct training_answer training;
    bool full; /* out of memory in a callback that cannot say so */
    struct error *e;
};

static enum status put_errors(struct answer *a, Embd__V1__StatsRow *out,
                              const struct call_counts *counts)
{
    Embd__V1__StatusCount *status;
    size_t n = 0;

    for (unsigned i = 1; i < ST_COUNT; i++)
        n += counts->errors[i] > 0;
    if (!n)
        return ST_OK;
    status = arena_alloc(&a->arena, n, sizeof *status);
    out->errors = arena_alloc(&a->arena, n, sizeof *out->errors);
    if (!status || !out->errors)
        return error_memory(a->e, "the reply");
    for (unsigned i = 1; i < ST_COUNT; i++) {
        if (!counts->errors[i])
            continue;
        *status = (Embd__V1__StatusCount)EMBD__V1__STATUS_COUNT__INIT;
        status->status = i;
        status->count = counts->errors[i];
        out->errors[out->n_errors++] = status++;
    }
    return ST_OK;
}

static enum status put_buckets(struct answer *a, Embd__V1__StatsRow *out, const struct histogram *h)
{
    out->buckets = arena_alloc(&a->arena, HISTOGRAM_BUCKETS, sizeof *out->buckets);
    if (!out->buckets)
        return error_memory(a->e, "the reply");
    out->n_buckets = HISTOGRAM_BUCKETS;
    memcpy(out->buckets, h->bucket, sizeof h->bucket);
    return ST_OK;
}

static enum status take_row(void *context, const struct statistics_row *row)
{
    const struct call_counts *c = row->counts;
    const struct histogram *h = &c->latency;
    struct answer *a = context;
    struct row *r = arena_alloc(&a->arena, 1, sizeof *r);
    enum status st;

    if (!r)
        return error_memory(a->e, "the reply");
    r->next = NULL;
    r->row = (Embd__V1__StatsRow)EMBD__V1__STATS_ROW__INIT;
    r->row.table = arena_text(&a->arena, row->table, strlen(row->table));
    r->row.call = arena_text(&a->arena, row->call, strlen(row->call));
    if (!r->row.table || !r->row.call)
        return error_memory(a->e, "the reply");
    r->row.start = row->start_s;
    r->row.seconds = row->seconds;
    r->row.count = c->count;
    r->row.ids = c->ids;
    r->row.missing = c->missing;
    r->row.hits = c->hits;
    r->row.misses = c->misses;
    r->row.mean_us = h->count ? (double)h->sum_us / (double)h->count : 0;
    r->row.p50_us = histogram_quantile(h, 0.5);
    r->row.p90_us = histogram_quantile(h, 0.9);
    r->row.p99_us = histogram_quantile(h, 0.99);
    r->row.p999_us = histogram_quantile(h, 0.999);
    r->row.max_us = (double)h->max_us;
    st = put_errors(a, &r->row, c);
    if (st == ST_OK && a->query->histogram)
        st = put_buckets(a, &r->row, h);
    if (st != ST_OK)
        return st;
    *a->last_row = r;
    a->last_row = &r->next;
    a->row_count++;
    return ST_OK;
}

static void take_memory(void *context, const char *table, int64_t start_s,
                        const struct memory_counts *counts)
{
    struct answer *a = context;
    struct memory_row *r;

    if (a->query->table && strcmp(a->query->table, table))
        return;
    r = arena_alloc(&a->arena, 1, sizeof *r);
    if (!r) {
        a->full = true;
        return;
    }
    r->next = NULL;
    r->row = (Embd__V1__MemoryRow)EMBD__V1__MEMORY_ROW__INIT;
    r->row.table = arena_text(&a->arena, table, strlen(table));
    if (!r->row.table) {
        a->full = true;
        return;
    }
    r->row.start = start_s;
    r->row.private_bytes = counts->private_bytes;
    r->row.mapped_bytes = counts->mapped_bytes;
    r->row.allocated_bytes = counts->allocated_bytes;
    r->row.cache_bytes = counts->cache_bytes;
    *a->last_memory = r;
    a->last_memory = &r->next;
    a->memory_count++;
}

/* Arrays of pointers, as protobuf-c wants them. */
static enum status lay_out(struct answer *a, Embd__V1__StatsResponse *reply)
{
    size_t i = 0;

    reply->rows = arena_alloc(&a->arena, a->row_count, sizeof *reply->rows);
    reply->memory = arena_alloc(&a->arena, a->memory_count, sizeof *reply->memory);
    reply->bucket_us = arena_alloc(&a->arena, HISTOGRAM_BUCKETS, sizeof *reply->bucket_us);
    if (!reply->rows || !reply->memory || !reply->bucket_us || a->full)
        return error_memory(a->e, "the reply");
    for (struct row *r = a->rows; r; r = r->next)
        reply->rows[i++] = &r->row;
    reply->n_rows = i;
    i = 0;
    for (struct memory_row *r = a->memory; r; r = r->next)
        reply->memory[i++] = &r->row;
    reply->n_memory = i;
    if (a->query->histogram) {
        for (i = 0; i < HISTOGRAM_BUCKETS; i++)
            reply->bucket_us[i] = histogram_lower((unsigned)i);
        reply->n_bucket_us = HISTOGRAM_BUCKETS;
    }
    return training_answer_lay_out(&a->training, reply, a->e);
}

static enum status pack(struct stats_query *q, struct answer *a, const struct server *server)
{
    Embd__V1__StatsResponse reply = EMBD__V1__STATS_RESPONSE__INIT;
    enum status st = lay_out(a, &reply);
    size_t n;

    if (st != ST_OK)
        return st;
    reply.now = clock_wall_s();
    reply.uptime_us = clock_now_us() - server->start_us;
    reply.version = (char *)PACKAGE_VERSION;
    n = protobuf_c_message_get_packed_size(&reply.base);
    if (n > server->limits.max_reply_bytes)
        return error_set(a->e, ST_EXHAUSTED,
                         "the reply would have %zu bytes, max_reply_bytes is %llu", n,
                         (unsigned long long)server->limits.max_reply_bytes);
    q->reply = service_pack(&reply.base);
    return q->reply ? ST_OK : error_memory(a->e, "the reply");
}

void stats_query_run(struct stats_query *q, struct control *control)
{
    struct statistics *db = recorder_statistics(control->recorder, &q->error);
    struct statistics_query query = {.table = q->table,
                                     .call = q->call,
                                     .from_s = q->from_s,
                                     .to_s = q->to_s,
                                     .span = q->span,
                                     .limit = ROWS_MOST};
    struct answer a = {.query = q, .e = &q->error};
    enum status st = db ? ST_OK : ST_UNAVAILABLE;

    a.last_row = &a.rows;
    a.last_memory = &a.memory;
    arena_init(&a.arena, ARENA_MOST);
    training_answer_init(&a.training, &a.arena);
    if (st == ST_OK)
        st = statistics_query(db, &query, take_row, &a, &q->error);
    if (st == ST_OK && q->memory)
        st = statistics_query_memory(db, q->from_s, q->to_s, take_memory, &a, &q->error);
    if (st == ST_OK && q->training)
        st = training_answer_ask(&a.training, db, &query, control->server, &q->error);
    if (st == ST_OK)
        st = pack(q, &a, control->server);
    arena_done(&a.arena);
    q->status = st;
}
