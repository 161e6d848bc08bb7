/* SPDX-License-Identifier: Apache-2.0 */
/* Embedding.Push: the worker reads, checks and sums; the writer does the rest. Once the push is
   with the writer it counts, whatever becomes of the call. */
#include "daemon/service_push.h"

#include "base/clock.h"
#include "daemon/call.h"
#include "daemon/counters.h"
#include "daemon/push_reason.h"
#include "daemon/refusals.h"
#include "daemon/server.h"
#include "daemon/services.h"
#include "daemon/worker.h"
#include "daemon/writer.h"
#include "proto/grpc.h"

/* ---- What Push and PushStream share ---- */

/* Memory that is left for pushes. Workers that look at the same moment may pass the limit by what
   they take: a bound, not a count to the byte. */
static uint64_t room(const struct server *server)
{
    uint64_t queued = atomic_load_explicit(&server->queued_push_bytes, memory_order_relaxed),
             most = server->limits.max_queued_push_bytes;

    return queued < most ? most - queued : 0;
}

static enum status no_room(const struct server *server, uint64_t need, struct error *e)
{
    return error_set(e, ST_EXHAUSTED,
                     "the push needs %llu bytes and %llu are left of max_queued_push_bytes, which "
                     "is %llu",
                     (unsigned long long)need, (unsigned long long)room(server),
                     (unsigned long long)server->limits.max_queued_push_bytes);
}

/* Refused here and now, as far as it is known whose it is. */
static enum status refused(struct push *p, const struct server *server, enum status st,
                           const char *reason)
{
    refusals_count(server->refusals, p ? p->trainer : "", st, reason);
    push_free(p);
    return st;
}

enum status push_begin(struct push **out, struct call *call, const void *data, size_t n,
                       struct error *e)
{
    struct worker *w = call->worker;
    struct server *server = w->server;
    struct push *p;
    enum status st;

    if (w->draining)
        return refused(NULL, server, error_set(e, ST_UNAVAILABLE, "the daemon is stopping"),
                       REASON_STOPPING);
    if (n > room(server))
        return refused(NULL, server, no_room(server, n, e), REASON_LIMIT);
    st = push_new(&p, data, n, e);
    if (st != ST_OK)
        return refused(NULL, server, st, reason_of_status(st));
    push_prepare_by(p, w->catalog, &server->limits, (size_t)room(server), w->index);
    if (push_memory(p) > room(server))
        return refused(p, server, no_room(server, push_memory(p), e), REASON_LIMIT);
    p->worker = w;
    p->charged = push_memory(p);
    atomic_fetch_add_explicit(&server->queued_push_bytes, p->charged, memory_order_relaxed);
    *out = p;
    return ST_OK;
}

void push_send(struct push *p, struct call *call, void (*answer)(struct call *call, struct push *p))
{
    p->call_id = call->id;
    p->answer = answer;
    p->start_us = clock_now_us();
    writer_push(call->worker->server->writer, p);
}

struct block *push_reply(const struct push *p, struct error *e)
{
    struct push_reply reply = {.duplicate = p->duplicate,
                               .versions = p->versions,
                               .count = p->request.count,
                               .lsn = p->lsn,
                               .skipped = p->skipped,
                               .admitted = p->admitted};
    struct block *b = call_message_new(push_reply_size(&reply));

    if (b)
        push_reply_write(&reply, b->data + GRPC_PREFIX);
    else
        (void)!error_set(e, ST_UNAVAILABLE,
                         "the push was applied, but there is no memory for its answer");
    return b;
}

/* ---- Push ---- */

/* Kept for `done`, which counts the call under each of its tables. */
struct push_call {
    size_t count;
    struct {
        unsigned slot;
        uint64_t ids, skipped;
    } table[];
};

static struct push_call *remember(struct call *call, const struct push *p)
{
    struct push_call *c;

    call->arena.cap += sizeof *c + p->targets * sizeof c->table[0];
    c = arena_zero(&call->arena, 1, sizeof *c + p->targets * sizeof c->table[0]);
    if (!c)
        return NULL;
    c->count = p->target ? p->targets : 0;
    for (size_t t = 0; t < c->count; t++) {
        c->table[t].slot = p->target[t].slot;
        c->table[t].skipped = p->target[t].update.skipped;
        for (size_t i = p->first[t]; i < p->first[t + 1]; i++)
            c->table[t].ids += p->query[i].id_count;
    }
    return c;
}

static void answer(struct call *call, struct push *p)
{
    struct block *reply = NULL;

    if (p->status == ST_OK) {
        reply = push_reply(p, &p->error);
        if (!reply)
            p->status = ST_UNAVAILABLE;
    }
    if (reply)
        call_reply(call, reply);
    else
        call_fail(call, p->status, &p->error);
}

static void push_message(struct call *call, const unsigned char *data, size_t n)
{
    struct push *p;
    struct error e;
    enum status st = push_begin(&p, call, data, n, &e);

    if (st != ST_OK) {
        call_fail(call, st, &e);
        return;
    }
    call->state = remember(call, p);
    push_send(p, call, answer);
}

static void push_done(struct call *call, enum status st)
{
    const struct push_call *c = call->state;
    uint64_t us = clock_now_us() - call->start_us;

    if (!c || !c->count)
        service_count(call, SLOT_ANY, st);
    for (size_t t = 0; c && t < c->count; t++)
        counters_record(call->worker->counters, c->table[t].slot, CALL_PUSH, st, c->table[t].ids,
                        c->table[t].skipped, us);
}

const struct rpc rpc_push = {
    .path = "/embd.v1.Embedding/Push",
    .name = "Push",
    .index = CALL_PUSH,
    .message = push_message,
    .done = push_done,
};
