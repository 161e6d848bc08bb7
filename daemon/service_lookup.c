/* SPDX-License-Identifier: Apache-2.0 */
/* Embedding.Lookup: the path that everything else exists for. The request is read in place, tables
   and ids are resolved, the reply's size is known before its first byte, and rows are decoded
   straight into it; its pieces go to the socket by reference. A large call runs in turns between
   events, so that it holds up neither small calls nor its own cancellation. All on the worker's
   thread.

     message → find tables ⇄ wait for min_version → prepare → enter gates ⇄ wait for the writer
       → prepare what grows → size → turns, pieces → done

   From the gates on the tables stay as they are: the reply shows each of them at one version. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/call.h"
#include "daemon/counters.h"
#include "daemon/lookup_call.h"
#include "daemon/server.h"
#include "daemon/services.h"
#include "proto/grpc.h"

/* About 0.1 ms of copying: what one call may do before others get their turn. */
#define TURN_FLOATS ((size_t)256 << 10)
/* Costly methods count by their arithmetic: so many multiply-adds weigh as much as one float
 * copied. */
#define WORK_FLOATS 8
/* But so many rows of them at once, since rows share work: the weights of a network are fetched
   from memory once for all. */
#define BATCH ((size_t)32)

/* The most memory that preparing a lookup takes for an id. */
#define ID_MEMORY 48

void lookup_fail(struct lookup_call *c, size_t i, enum status st, struct error *e)
{
    const struct table_lookup *asked = &c->request.lookup[i];

    (void)!error_prefix(e, st, "lookups[%zu] (table %s)", i,
                        QUOTE_N(asked->table.data, asked->table.size));
    call_fail(c->call, st, e);
}

/* ---- Decoding ---- */

static size_t slice_ids(const struct lookup *l, size_t floats)
{
    size_t a_row = l->table->dim + l->table->work / WORK_FLOATS, least = l->table->work ? BATCH : 1;

    return floats / a_row > least ? floats / a_row : least;
}

static size_t slice_floats(const struct lookup *l, size_t rows)
{
    uint64_t ids = l->query.pooling == POOLING_NONE || !l->rows
                       ? rows
                       : (uint64_t)(l->query.id_count / l->rows + 1) * rows;

    return (size_t)(ids * (l->table->dim + l->table->work / WORK_FLOATS));
}

/* Who is waited for comes first: pushes to the table, and other large lookups, wait too. */
static void end_turn(struct lookup_call *c)
{
    if (lookup_tables_wanted(c))
        worker_enqueue_first(c->call->worker, &c->job);
    else
        worker_enqueue(c->call->worker, &c->job);
}

/* The ids of rows that were decoded, where lookups are counted. */
static void count_ids(const struct lookup_call *c, const struct part *p, size_t first, size_t n)
{
    struct samples *s = atomic_load_explicit(&p->entry->sampling, memory_order_acquire);
    size_t from, count;

    if (!s || !p->lookup.query.id_count) /* without ids there is no array of rows */
        return;
    lookup_ids(&p->lookup, first, n, &from, &count);
    samples_add(s, c->call->worker->index, p->lookup.row + from, count);
}

/* Decode a slice of about `left` floats that begins where the call stands, as far as the piece has
   room; through the worker's cache of the table, if there is one. What it cost is added to
   *floats. */
static enum status run_slice(struct lookup_call *c, size_t left, size_t *floats, struct error *e)
{
    struct worker *w = c->call->worker;
    struct part *p = &c->part[c->at];
    struct lookup *l = &p->lookup;
    struct cache *cache = lookup_may_cache(l) ? entry_cache_of(p->entry, w->index) : NULL;
    size_t n = lookup_slice(l, c->row, cache ? left / l->table->dim : slice_ids(l, left));
    size_t from, ids, decoded, room;
    unsigned char *out = lookup_pieces_room(c, l->row_bytes, &room);
    enum status st;

    if (!out)
        return error_memory(e, "the reply");
    if (n > room / l->row_bytes)
        n = room / l->row_bytes;
    if (cache)
        st = lookup_run_cached(l, cache, c->row, &n, slice_ids(l, left), &decoded, out, &w->scratch,
                               e);
    else
        st = lookup_run(l, c->row, n, out, &w->scratch, e);
    if (st != ST_OK)
        return st;
    lookup_pieces_add(c, n * l->row_bytes, l->row_bytes);
    count_ids(c, p, c->row, n);
    if (cache) {
        lookup_ids(l, c->row, n, &from, &ids);
        p->cached += ids;
        p->decoded += decoded;
        *floats += ids * l->table->dim + decoded * (l->table->work / WORK_FLOATS);
    } else {
        *floats += slice_floats(l, n);
    }
    c->row += n;
    return ST_OK;
}

/* The next step of the reply: what stands before a part's rows, some of them, or what is behind. */
static enum status step(struct lookup_call *c, size_t left, size_t *floats, struct error *e)
{
    const struct table_vectors *v = &c->vector[c->at];
    enum status st;

    if (!c->headed) {
        c->headed = true;
        return lookup_pieces_head(c, v, e);
    }
    if (c->row < v->rows)
        return run_slice(c, left, floats, e);
    st = lookup_pieces_tail(c, v, e);
    if (st != ST_OK)
        return st;
    lookup_tables_pass(c, c->at++);
    c->row = 0;
    c->headed = false;
    return ST_OK;
}

/* One turn: decode until the turn's share is used up, a piece is full, or the reply complete. */
static void run_turn(struct lookup_call *c)
{
    size_t floats = 0, pieces = c->pieces;
    enum status st;
    struct error e;

    while (c->at < c->request.count) {
        bool rows = c->headed && c->row < c->vector[c->at].rows;

        if (rows && c->stays && (floats >= TURN_FLOATS || c->pieces != pieces)) {
            end_turn(c);
            return;
        }
        st = step(c, floats < TURN_FLOATS ? TURN_FLOATS - floats : 0, &floats, &e);
        if (st != ST_OK) {
            lookup_fail(c, c->at, st, &e);
            return;
        }
    }
    lookup_tables_leave(c);
    st = lookup_pieces_end(c, c->lsn, &e);
    if (st == ST_OK)
        call_finish(c->call);
    else
        call_fail(c->call, st, &e);
}

static void job_run(struct job *job)
{
    run_turn((struct lookup_call *)((char *)job - offsetof(struct lookup_call, job)));
}

/* ---- From request to size ---- */

/* Size the reply, and make room for its first piece. */
static enum status lay_out(struct lookup_call *c, struct error *e)
{
    const struct limits *limits = &c->call->worker->server->limits;
    size_t count = c->request.count, size;

    c->vector = arena_zero(&c->call->arena, count, sizeof *c->vector);
    if (!c->vector)
        return error_memory(e, "the reply's layout");
    for (size_t i = 0; i < count; i++) {
        const struct lookup *l = &c->part[i].lookup;
        struct table_vectors *v = &c->vector[i];

        if (l->rows > UINT32_MAX || !size_mul(l->rows, l->row_bytes, &v->value_bytes))
            return error_set(e, ST_EXHAUSTED, "the reply would have %zu rows", l->rows);
        v->dim = l->table->dim;
        v->rows = (uint32_t)l->rows;
        v->packed = l->query.format != FORMAT_F32;
        v->version = c->part[i].entry->version;
        v->missing = l->missing;
        v->missing_count = l->missing_count;
    }
    size = lookup_reply_size(c->vector, count, c->lsn);
    if (size > limits->max_reply_bytes)
        return error_set(e, ST_EXHAUSTED, "the reply would have %zu bytes, max_reply_bytes is %llu",
                         size, (unsigned long long)limits->max_reply_bytes);
    if (!call_charge(c->call, size))
        return error_set(e, ST_EXHAUSTED,
                         "no room for a reply of %zu bytes now (max_inflight_bytes is %llu)", size,
                         (unsigned long long)limits->max_inflight_bytes);
    if (!lookup_pieces_begin(c, size))
        return error_memory(e, "the reply");
    return ST_OK;
}

static enum status prepare_part(struct lookup_call *c, size_t i, struct error *e)
{
    const struct table_lookup *asked = &c->request.lookup[i];
    struct part *p = &c->part[i];
    struct lookup_query query = {
        .ids = asked->ids.data,
        .id_count = asked->ids.size / 8,
        .pooling = asked->pooling,
        .offsets = asked->offsets.data,
        .offset_count = asked->offsets.size / 4,
        .weights = asked->weights.data,
        .weight_count = asked->weights.size / 4,
        .format = c->request.format,
        .missing = c->request.missing,
    };

    if (!p->entry)
        return error_set(e, ST_NOT_FOUND, "no such table");
    if (!p->entry->table)
        return error_set(e, ST_DATA_LOSS, "%s", p->entry->trouble);
    /* Rows, positions of unknown ids, and groups of bags: see table/lookup.h. */
    c->call->arena.cap += query.id_count * ID_MEMORY;
    return lookup_prepare(&p->lookup, p->entry->table, &query, &c->call->arena, e);
}

/* The ids of a table that grows are resolved inside its gate, since keys come and go. */
static bool grows(const struct part *p)
{
    return p->entry && p->entry->table && p->entry->table->grows;
}

/* What a part that is not prepared will copy. */
static uint64_t guess_floats(const struct lookup_call *c, size_t i)
{
    const struct table *t = c->part[i].entry->table;

    return c->request.lookup[i].ids.size / 8 * (t->dim + t->work / WORK_FLOATS);
}

/* Prepare what is not ready, as far as it may be; false if the call is refused, and then it is
   over. */
static bool prepare(struct lookup_call *c, bool inside, uint64_t *floats)
{
    const struct limits *limits = &c->call->worker->server->limits;
    uint64_t work = 0;
    struct error e;

    *floats = 0;
    for (size_t i = 0; i < c->request.count; i++) {
        struct part *p = &c->part[i];
        enum status st;

        if (!p->ready && !inside && grows(p)) {
            *floats += guess_floats(c, i);
            continue;
        }
        st = p->ready ? ST_OK : prepare_part(c, i, &e);
        if (st != ST_OK) {
            lookup_fail(c, i, st, &e);
            return false;
        }
        p->ready = true;
        *floats += slice_floats(&p->lookup, p->lookup.rows);
        if (__builtin_add_overflow(work, p->lookup.work, &work))
            work = UINT64_MAX;
    }
    if (work <= limits->max_work)
        return true;
    call_fail(c->call,
              error_set(&e, ST_EXHAUSTED,
                        "the call would cost %llu multiply-adds, max_work is %llu",
                        (unsigned long long)work, (unsigned long long)limits->max_work),
              &e);
    return false;
}

/* Go as far as may be: from the beginning, and whenever something has happened. */
static void go_on(struct lookup_call *c)
{
    uint64_t floats;
    struct error e;
    enum status st;

    lookup_tables_find(c);
    if (lookup_tables_late(c)) {
        lookup_tables_wait(c);
        return;
    }
    if (!prepare(c, false, &floats) || !lookup_tables_enter(c, floats > TURN_FLOATS) ||
        !prepare(c, true, &floats))
        return;
    /* With the gates passed, it sees every push up to that position. */
    c->lsn = service_lsn(c->call);
    st = lay_out(c, &e);
    if (st == ST_OK)
        run_turn(c);
    else
        call_fail(c->call, st, &e);
}

static void wake(struct waiter *waiter)
{
    go_on((struct lookup_call *)((char *)waiter - offsetof(struct lookup_call, waiter)));
}

static void lookup_message(struct call *call, const unsigned char *data, size_t n)
{
    const struct limits *limits = &call->worker->server->limits;
    struct lookup_call *c = arena_zero(&call->arena, 1, sizeof *c);
    struct error e;
    enum status st;

    if (!c) {
        call_fail(call, error_memory(&e, "the call"), &e);
        return;
    }
    c->call = call;
    c->job.run = job_run;
    c->waiter.wake = wake;
    call->state = c;
    st = lookup_request_read(&c->request, data, n, &call->arena, &e);
    if (st == ST_OK && c->request.ids > limits->max_ids)
        st = error_set(&e, ST_EXHAUSTED, "the call has %llu ids, max_ids is %llu",
                       (unsigned long long)c->request.ids, (unsigned long long)limits->max_ids);
    if (st == ST_OK && !(c->part = arena_zero(&call->arena, c->request.count, sizeof *c->part)))
        st = error_memory(&e, "the call's tables");
    if (st == ST_OK)
        st = lookup_tables_compare(c, &e);
    if (st == ST_OK)
        go_on(c);
    else
        call_fail(call, st, &e);
}

static void count_hits(struct counters *counters, const struct part *p)
{
    /* Unknown ids need no row. A row may have been decoded again, having lost its place. */
    size_t known = p->cached > p->lookup.missing_count ? p->cached - p->lookup.missing_count : 0;

    counters_cache(counters, p->slot, CALL_LOOKUP, known > p->decoded ? known - p->decoded : 0,
                   p->decoded);
}

static void lookup_done(struct call *call, enum status st)
{
    struct lookup_call *c = call->state;
    struct counters *counters = call->worker->counters;
    uint64_t us = clock_now_us() - call->start_us;

    if (!c || !c->part) {
        counters_record(counters, SLOT_ANY, CALL_LOOKUP, st, 0, 0, us);
        return;
    }
    worker_dequeue(call->worker, &c->job);
    lookup_tables_done(c);
    block_unref(c->piece);
    for (size_t i = 0; i < c->request.count; i++) {
        const struct part *p = &c->part[i];

        if (p->cached)
            count_hits(counters, p);
        counters_record(counters, p->slot, CALL_LOOKUP, st, c->request.lookup[i].ids.size / 8,
                        p->lookup.missing_count, us);
    }
}

const struct rpc rpc_lookup = {
    .path = "/embd.v1.Embedding/Lookup",
    .name = "Lookup",
    .index = CALL_LOOKUP,
    .message = lookup_message,
    .done = lookup_done,
};
