/* SPDX-License-Identifier: Apache-2.0 */
/* Embedding.Lookup: the path that everything else exists for. The request is read in place, tables
   and ids are resolved, the reply is laid out exactly, and rows are decoded straight into it; the
   finished reply goes to the socket by reference. A large call runs in turns between events, so
   that it holds up neither small calls nor its own cancellation. All on the worker's thread.

     message → resolve ⇄ wait (min_version, raised gate) → prepare → layout → turns → reply → done
 */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/call.h"
#include "daemon/counters.h"
#include "daemon/server.h"
#include "daemon/services.h"
#include "daemon/worker.h"
#include "proto/grpc.h"
#include "proto/lookup_coding.h"

/* About 0.1 ms of copying: what one call may do before others get their turn. */
#define TURN_FLOATS ((size_t)256 << 10)
/* Costly methods count by their arithmetic: so many multiply-adds weigh as much as one float
 * copied. */
#define WORK_FLOATS 8

/* The most memory that preparing a lookup takes for an id. */
#define ID_MEMORY 48

struct part {
    struct lookup lookup;
    struct entry *entry; /* NULL: no such table */
    unsigned slot;       /* for the counters; outlives the entry */
    bool inside;         /* the entry's gate */
};

struct lookup_call {
    struct call *call;
    struct lookup_request request;
    struct part *part;            /* [request.count] */
    struct table_vectors *vector; /* [request.count] */
    struct block *reply;
    size_t at, row; /* next row to decode: part[at], row */
    uint64_t lsn;
    struct job job;
    struct waiter waiter;
    struct event *patience; /* armed while waiting for min_version */
};

static void leave_gates(struct lookup_call *c)
{
    for (size_t i = 0; c->part && i < c->request.count; i++)
        if (c->part[i].inside) {
            gate_leave(&c->part[i].entry->gate, c->call->worker->index);
            c->part[i].inside = false;
        }
}

static void fail_part(struct lookup_call *c, size_t i, enum status st, struct error *e)
{
    const struct table_lookup *asked = &c->request.lookup[i];

    (void)!error_prefix(e, st, "lookups[%zu] (table %s)", i,
                        QUOTE_N(asked->table.data, asked->table.size));
    call_fail(c->call, st, e);
}

/* ---- Decoding ---- */

static size_t slice_ids(const struct lookup *l, size_t floats)
{
    size_t a_row = l->table->dim + l->table->work / WORK_FLOATS;

    return floats / a_row ? floats / a_row : 1;
}

static size_t slice_floats(const struct lookup *l, size_t rows)
{
    uint64_t ids = l->query.pooling == POOLING_NONE || !l->rows
                       ? rows
                       : (uint64_t)(l->query.id_count / l->rows + 1) * rows;

    return (size_t)(ids * (l->table->dim + l->table->work / WORK_FLOATS));
}

/* One turn: decode until the turn's share is used up or the reply is complete. */
static void run_turn(struct lookup_call *c)
{
    struct call *call = c->call;
    struct worker *w = call->worker;
    size_t floats = 0;

    while (c->at < c->request.count) {
        struct lookup *l = &c->part[c->at].lookup;
        struct error e;
        size_t n;

        if (c->row == l->rows) {
            c->at++;
            c->row = 0;
            continue;
        }
        if (floats >= TURN_FLOATS) {
            worker_enqueue(w, &c->job);
            return;
        }
        n = lookup_slice(l, c->row, slice_ids(l, TURN_FLOATS - floats));
        enum status st = lookup_run(l, c->row, n, c->vector[c->at].values + c->row * l->row_bytes,
                                    &w->scratch, &e);
        if (st != ST_OK) {
            fail_part(c, c->at, st, &e);
            return;
        }
        floats += slice_floats(l, n);
        c->row += n;
    }
    struct block *reply = c->reply;

    c->reply = NULL;
    leave_gates(c);
    call_reply(call, reply);
}

static void job_run(struct job *job)
{
    run_turn((struct lookup_call *)((char *)job - offsetof(struct lookup_call, job)));
}

/* ---- From request to layout ---- */

/* Size the reply and write everything in it but the rows. */
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
    c->reply = call_message_new(size);
    if (!c->reply)
        return error_memory(e, "the reply");
    lookup_reply_layout(c->vector, count, c->lsn, c->reply->data + GRPC_PREFIX);
    return ST_OK;
}

static enum status prepare_part(struct lookup_call *c, size_t i, uint64_t *work, struct error *e)
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
    enum status st;

    if (!p->entry)
        return error_set(e, ST_NOT_FOUND, "no such table");
    if (!p->entry->table)
        return error_set(e, ST_DATA_LOSS, "%s", p->entry->trouble);
    st = lookup_prepare(&p->lookup, p->entry->table, &query, &c->call->arena, e);
    if (st == ST_OK && __builtin_add_overflow(*work, p->lookup.work, work))
        *work = UINT64_MAX;
    return st;
}

static void prepare(struct lookup_call *c)
{
    const struct limits *limits = &c->call->worker->server->limits;
    uint64_t work = 0;
    struct error e;
    enum status st;

    for (size_t i = 0; i < c->request.count; i++)
        if ((st = prepare_part(c, i, &work, &e)) != ST_OK) {
            fail_part(c, i, st, &e);
            return;
        }
    if (work > limits->max_work)
        st = error_set(&e, ST_EXHAUSTED, "the call would cost %llu multiply-adds, max_work is %llu",
                       (unsigned long long)work, (unsigned long long)limits->max_work);
    else
        st = lay_out(c, &e);
    if (st != ST_OK)
        call_fail(c->call, st, &e);
    else
        run_turn(c);
}

/* ---- Tables, and waiting for them ---- */

static void try_tables(struct lookup_call *c);

static void wake(struct waiter *waiter)
{
    try_tables((struct lookup_call *)((char *)waiter - offsetof(struct lookup_call, waiter)));
}

static void out_of_patience(evutil_socket_t fd, short what, void *arg)
{
    struct lookup_call *c = arg;
    struct error e;

    (void)fd, (void)what;
    for (size_t i = 0; i < c->request.count; i++) {
        const struct entry *entry = c->part[i].entry;

        if (entry && entry->version < c->request.lookup[i].min_version) {
            (void)!error_set(&e, ST_UNAVAILABLE, "version %llu was asked for, the table is at %llu",
                             (unsigned long long)c->request.lookup[i].min_version,
                             (unsigned long long)entry->version);
            fail_part(c, i, ST_UNAVAILABLE, &e);
            return;
        }
    }
    (void)!error_set(&e, ST_UNAVAILABLE, "a table of the call was busy for too long");
    call_fail(c->call, ST_UNAVAILABLE, &e);
}

/* Put the call aside until the catalog changes, at most for max_wait. Until then no entry is held:
   `part` keeps them only to say who was late, and the catalog of this worker cannot change unseen.
 */
static void put_aside(struct lookup_call *c)
{
    struct worker *w = c->call->worker;
    uint64_t us = w->server->limits.max_wait_us;
    struct timeval tv = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)};
    struct error e;

    leave_gates(c);
    if (w->draining) {
        call_fail(c->call, error_set(&e, ST_UNAVAILABLE, "the daemon is stopping"), &e);
        return;
    }
    if (!c->patience) {
        c->patience = evtimer_new(w->base, out_of_patience, c);
        if (!c->patience || evtimer_add(c->patience, &tv) < 0) {
            call_fail(c->call, error_memory(&e, "a timer"), &e);
            return;
        }
    }
    worker_wait(w, &c->waiter);
}

static void try_tables(struct lookup_call *c)
{
    struct worker *w = c->call->worker;
    bool aside = false;

    c->lsn = w->catalog->lsn;
    for (size_t i = 0; i < c->request.count; i++) {
        const struct table_lookup *asked = &c->request.lookup[i];
        struct part *p = &c->part[i];

        p->entry = catalog_find(w->catalog, asked->table.data, asked->table.size);
        p->slot = p->entry ? p->entry->slot : SLOT_NONE;
        if (!p->entry)
            continue;
        if (p->entry->version < asked->min_version)
            aside = true;
        else if (p->entry->table && !(p->inside = gate_enter(&p->entry->gate, w->index)))
            aside = true;
    }
    if (aside) {
        put_aside(c);
        return;
    }
    if (c->patience)
        evtimer_del(c->patience);
    prepare(c);
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
    if (st == ST_OK) /* rows, positions of unknown ids, and groups of bags: see table/lookup.h */
        call->arena.cap += (size_t)c->request.ids * ID_MEMORY;
    if (st == ST_OK && !(c->part = arena_zero(&call->arena, c->request.count, sizeof *c->part)))
        st = error_memory(&e, "the call's tables");
    if (st == ST_OK)
        try_tables(c);
    else
        call_fail(call, st, &e);
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
    worker_unwait(call->worker, &c->waiter);
    if (c->patience)
        event_free(c->patience);
    leave_gates(c);
    block_unref(c->reply);
    for (size_t i = 0; i < c->request.count; i++)
        counters_record(counters, c->part[i].slot, CALL_LOOKUP, st,
                        c->request.lookup[i].ids.size / 8, c->part[i].lookup.missing_count, us);
}

const struct rpc rpc_lookup = {
    .path = "/embd.v1.Embedding/Lookup",
    .name = "Lookup",
    .index = CALL_LOOKUP,
    .message = lookup_message,
    .done = lookup_done,
};
