/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a request: DATA, cut anywhere, into whole messages. Memory follows what has really
   come, not what a prefix claims, and is counted before it is taken. */
#include "daemon/transport.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

#define SMALL ((size_t)4 << 10)       /* a unary body of this size lives in the arena */
#define FIRST_ROOM ((size_t)32 << 10) /* what a larger one gets to begin with */
#define ROOM_KEPT ((size_t)64 << 10)  /* what a streaming call keeps from message to message */
/* While a streaming call has more than this unsent, its next message waits. */
#define UNSENT_MAX ((size_t)64 << 10)

static bool streams(const struct stream *s)
{
    return s->call.rpc->client_streams;
}

static bool held_back(const struct stream *s)
{
    return streams(s) && (s->paused || s->unsent > UNSENT_MAX);
}

void call_pause(struct call *call, bool paused)
{
    struct stream *s = (struct stream *)call;

    s->paused = paused;
    if (!paused)
        connection_dirty(s->connection); /* goes on when that is flushed */
}

static void drop_room(struct stream *s)
{
    if (s->body_heap)
        mem_free(s->body);
    if (s->body_charged)
        worker_discharge(s->call.worker, s->body_charged);
    s->body = NULL;
    s->body_heap = false;
    s->body_charged = s->room = 0;
}

void body_free(struct stream *s)
{
    size_t waiting = buffer_size(&s->held) - s->held_used;

    drop_room(s);
    if (waiting) {
        worker_discharge(s->call.worker, waiting);
        nghttp2_session_consume_connection(s->connection->session, waiting);
    }
    buffer_done(&s->held);
    s->held_used = 0;
}

/* Room for `need` bytes of the message, of which at most `size` can come. */
static bool make_room(struct stream *s, size_t need)
{
    size_t room = s->room ? s->room : FIRST_ROOM / 2;
    unsigned char *larger;

    if (need <= s->room)
        return true;
    if (s->size <= SMALL && !streams(s)) {
        s->body = arena_alloc(&s->call.arena, s->size, 1);
        s->room = s->body ? s->size : 0;
        return s->body;
    }
    do
        room *= 2;
    while (room < need);
    if (room > s->size)
        room = s->size;
    if (!worker_charge(s->call.worker, room - s->body_charged))
        return false;
    s->body_charged = room;
    larger = mem_resize(s->body, room, 1);
    if (!larger)
        return false;
    s->body = larger;
    s->body_heap = true;
    s->room = room;
    return true;
}

/* A message is whole. */
static void deliver(struct stream *s)
{
    struct call *call = &s->call;
    size_t n = s->size;

    s->prefix_size = 0;
    s->got = 0;
    s->size = 0;
    if (call->deadline_us && clock_now_us() >= call->deadline_us) {
        stream_expire(s, "deadline exceeded");
        return;
    }
    if (call->arena.cap < CALL_ARENA + 4 * n)
        call->arena.cap = CALL_ARENA + 4 * n;
    call->rpc->message(call, s->body ? s->body : (const unsigned char *)"", n);
    if (!s->ended && streams(s) && s->room > ROOM_KEPT)
        drop_room(s);
}

/* The prefix is whole: the message is judged before any of it is kept. */
static bool begin_message(struct stream *s)
{
    struct error e;
    enum status st = grpc_prefix_read(
        s->prefix, s->connection->transport->limits->max_request_bytes, &s->size, &e);

    if (st == ST_OK)
        return true;
    call_fail(&s->call, st, &e);
    return false;
}

/* Use bytes of the body until the call is over or held back; returns how many. */
static size_t feed(struct stream *s, const unsigned char *data, size_t n)
{
    size_t used = 0, take;

    while (used < n && !s->ended && !held_back(s)) {
        if (s->complete) {
            stream_fail(s, ST_UNIMPLEMENTED, "more than one message in a unary call");
            break;
        }
        if (s->prefix_size < GRPC_PREFIX) {
            if (!s->prefix_size)
                s->message_us = s->connection->heard_us;
            s->prefix[s->prefix_size++] = data[used++];
            if (s->prefix_size < GRPC_PREFIX || !begin_message(s))
                continue;
        } else {
            take = s->size - s->got < n - used ? s->size - s->got : n - used;
            if (!make_room(s, s->got + take)) {
                stream_fail(s, ST_EXHAUSTED,
                            "no memory for a request of %zu bytes (max_inflight_bytes)",
                            (size_t)s->size);
                break;
            }
            memcpy(s->body + s->got, data + used, take);
            s->got += take;
            used += take;
        }
        if (s->got < s->size)
            continue;
        if (streams(s))
            deliver(s);
        else
            s->complete = true;
    }
    return used;
}

/* Keep what cannot be used yet; the flow control window bounds it. */
static void hold(struct stream *s, const unsigned char *data, size_t n)
{
    struct connection *c = s->connection;

    c->held_back = true;
    if (worker_charge(s->call.worker, n)) {
        if (buffer_add(&s->held, data, n) == 0)
            return;
        worker_discharge(s->call.worker, n);
    }
    nghttp2_session_consume_connection(c->session, n);
    stream_fail(s, ST_EXHAUSTED, "no memory for requests that wait (max_inflight_bytes)");
}

void body_add(struct stream *s, const unsigned char *data, size_t n)
{
    nghttp2_session *session = s->connection->session;
    size_t used = 0;

    if (!buffer_size(&s->held))
        used = feed(s, data, n);
    if (s->ended)
        used = n;
    if (used)
        nghttp2_session_consume(session, s->id, used);
    if (used < n)
        hold(s, data + used, n - used);
}

static void finish(struct stream *s)
{
    if (s->ended)
        return;
    if (!s->complete && s->prefix_size)
        stream_fail(s, ST_INTERNAL, "the request ends in the middle of a message");
    else if (streams(s) && s->call.rpc->half_close)
        s->call.rpc->half_close(&s->call);
    else if (!streams(s) && !s->complete)
        stream_fail(s, ST_UNIMPLEMENTED, "no message in a unary call");
    else if (!streams(s))
        deliver(s);
}

void body_end(struct stream *s)
{
    s->remote_closed = true;
    if (!buffer_size(&s->held))
        finish(s);
}

void body_resume(struct stream *s)
{
    const size_t n = buffer_size(&s->held);
    size_t used;

    if (!n || held_back(s))
        return;
    used = feed(s, buffer_data(&s->held) + s->held_used, n - s->held_used);
    if (s->ended) /* and the buffer is gone */
        return;
    worker_discharge(s->call.worker, used);
    nghttp2_session_consume(s->connection->session, s->id, used);
    if (used)
        connection_dirty(s->connection); /* the peer may wait for the window that this opens */
    s->held_used += used;
    if (s->held_used < n) {
        /* Now and then, so that no more is kept than the window lets in and as much again. */
        if (s->held_used >= n / 2) {
            buffer_drop(&s->held, s->held_used);
            s->held_used = 0;
        }
        return;
    }
    buffer_done(&s->held);
    s->held_used = 0;
    if (s->remote_closed)
        finish(s);
}
