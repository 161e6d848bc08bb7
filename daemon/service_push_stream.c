/* SPDX-License-Identifier: Apache-2.0 */
/* Embedding.PushStream: the same as Push with several on their way. They come back from the writer
   in the order in which they went there; the first one that is refused ends the stream, and none
   after it is applied (see struct lane). A stream of which much waits is not read on. */
#include "base/clock.h"
#include "daemon/call.h"
#include "daemon/counters.h"
#include "daemon/pushes.h"
#include "daemon/server.h"
#include "daemon/service_push.h"
#include "daemon/services.h"
#include "daemon/worker.h"
#include "proto/grpc.h"

/* What one stream may have waiting: this share of max_queued_push_bytes and this many; one push
   always. */
#define SHARE 16
#define MANY 256

struct push_stream {
    struct call *call;
    struct lane *lane;
    size_t waiting; /* pushes that are with the writer … */
    uint64_t bytes; /* … and their memory */
    bool closed;    /* the client has sent all */
    /* Refused before the writer saw it: the stream ends when those before it are answered. */
    enum status status;
    struct error error;
    bool counted;         /* the push that ended the stream has been counted */
    struct waiter waiter; /* for the daemon's end */
};

/* The end, unless something is on its way: then it comes with its answer. */
static void end_if_idle(struct push_stream *s)
{
    if (s->waiting)
        return;
    if (s->status != ST_OK)
        call_fail(s->call, s->status, &s->error);
    else if (s->closed)
        call_finish(s->call);
}

static void update_pause(struct push_stream *s)
{
    const struct server *server = s->call->worker->server;
    uint64_t most = server->limits.max_queued_push_bytes,
             queued = atomic_load_explicit(&server->queued_push_bytes, memory_order_relaxed);

    call_pause(s->call,
               s->waiting >= MANY || s->bytes > most / SHARE || (s->waiting && queued > most / 2));
}

static void wake(struct waiter *waiter)
{
    struct push_stream *s =
        (struct push_stream *)((char *)waiter - offsetof(struct push_stream, waiter));

    worker_wait(s->call->worker, waiter);
    if (!s->call->worker->draining || s->status != ST_OK)
        return;
    s->status = error_set(&s->error, ST_UNAVAILABLE, "the daemon is stopping");
    end_if_idle(s);
}

/* The stream's state, made with the first message; NULL if there is no memory. */
static struct push_stream *begin(struct call *call, struct error *e)
{
    struct push_stream *s = call->state;

    if (s)
        return s;
    s = arena_zero(&call->arena, 1, sizeof *s);
    if (!s) {
        (void)!error_memory(e, "the stream");
        return NULL;
    }
    if (lane_new(&s->lane, e) != ST_OK)
        return NULL;
    s->call = call;
    s->waiter.wake = wake;
    call->state = s;
    worker_wait(call->worker, &s->waiter);
    return s;
}

/* Each push of a stream counts as a call. */
static void count(const struct push_stream *s, const struct push *p)
{
    struct counters *counters = s->call->worker->counters;
    uint64_t us = clock_now_us() - p->start_us;

    if (!p->target || !p->targets)
        counters_record(counters, SLOT_ANY, CALL_PUSH_STREAM, p->status, 0, 0, us);
    for (size_t t = 0; p->target && t < p->targets; t++) {
        uint64_t ids = 0;

        for (size_t i = p->first[t]; i < p->first[t + 1]; i++)
            ids += p->query[i].id_count;
        counters_record(counters, p->target[t].slot, CALL_PUSH_STREAM, p->status, ids,
                        p->target[t].update.skipped, us);
    }
}

static void answer(struct call *call, struct push *p)
{
    struct push_stream *s = call->state;
    struct block *reply = p->status == ST_OK ? push_reply(p, &p->error) : NULL;

    if (p->status == ST_OK && !reply)
        p->status = ST_UNAVAILABLE;
    s->waiting--;
    s->bytes -= p->charged;
    count(s, p);
    if (!reply) {
        s->counted = true;
        call_fail(call, p->status, &p->error);
        return;
    }
    call_send(call, reply);
    update_pause(s);
    end_if_idle(s);
}

static void stream_message(struct call *call, const unsigned char *data, size_t n)
{
    struct error e;
    struct push_stream *s = begin(call, &e);
    struct push *p;

    if (!s) {
        call_fail(call, ST_EXHAUSTED, &e);
        return;
    }
    if (s->status != ST_OK) /* it ends soon, and this one is not looked at */
        return;
    s->status = push_begin(&p, call, data, n, &s->error);
    if (s->status != ST_OK) {
        end_if_idle(s);
        return;
    }
    p->lane = lane_ref(s->lane);
    s->waiting++;
    s->bytes += p->charged;
    push_send(p, call, answer);
    update_pause(s);
}

static void stream_half_close(struct call *call)
{
    struct push_stream *s = call->state;

    if (!s) {
        call_finish(call);
        return;
    }
    s->closed = true;
    end_if_idle(s);
}

static void stream_done(struct call *call, enum status st)
{
    struct push_stream *s = call->state;

    if (st != ST_OK && !(s && s->counted))
        service_count(call, SLOT_ANY, st);
    if (!s)
        return;
    worker_unwait(call->worker, &s->waiter);
    lane_unref(s->lane);
}

const struct rpc rpc_push_stream = {
    .path = "/embd.v1.Embedding/PushStream",
    .name = "PushStream",
    .index = CALL_PUSH_STREAM,
    .client_streams = true,
    .server_streams = true,
    .message = stream_message,
    .half_close = stream_half_close,
    .done = stream_done,
};
