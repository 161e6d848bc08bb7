/* SPDX-License-Identifier: Apache-2.0 */
/* Streams and their calls: made with the first byte of the headers, ended once, freed when nghttp2
   has closed the stream. Spare ones are kept so that a call allocates nothing. */
#include "daemon/transport.h"

#include <assert.h>
#include <stdio.h>
#include <stdarg.h>

#include "base/clock.h"
#include "base/memory.h"

#define SPARE_STREAMS 1024
#define SPARE_ARENA ((size_t)16 << 10) /* what a spare stream's arena may keep */

struct stream *stream_new(struct connection *c, int32_t id)
{
    struct transport *t = c->transport;
    struct stream *s = t->spare_streams;

    if (s) {
        struct arena arena = s->call.arena;
        struct event *timer = s->timer;

        t->spare_streams = s->next;
        t->spare_stream_count--;
        *s = (struct stream){.call.arena = arena, .timer = timer};
    } else {
        s = mem_zero(1, sizeof *s);
        if (!s)
            return NULL;
        arena_init(&s->call.arena, 0);
    }
    s->call.worker = t->worker;
    s->call.start_us = c->heard_us;
    s->call.arena.cap = CALL_ARENA;
    s->connection = c;
    s->id = id;
    s->last = &s->first;
    buffer_init(&s->held, 2 * (size_t)STREAM_WINDOW);
    s->next = c->streams;
    if (s->next)
        s->next->prev = s;
    c->streams = s;
    atomic_fetch_add_explicit(&t->worker->stream_count, 1, memory_order_relaxed);
    return s;
}

void stream_end(struct stream *s, enum status st)
{
    struct transport *t = s->connection->transport;

    if (s->ended)
        return;
    s->ended = true;
    if (s->call.id)
        call_map_remove(&t->calls, s);
    if (s->finished)
        flood_earn_answer(&s->connection->flood);
    if (s->begun && s->call.rpc && s->call.rpc->done)
        s->call.rpc->done(&s->call, st);
    body_free(s);
    if (s->reply_charged)
        worker_discharge(t->worker, s->reply_charged);
    s->reply_charged = 0;
    arena_reset(&s->call.arena);
    if (s->call.arena.used > SPARE_ARENA)
        arena_done(&s->call.arena);
}

void stream_free(struct stream *s)
{
    struct connection *c = s->connection;
    struct transport *t = c->transport;

    stream_end(s, ST_CANCELLED);
    reply_free(s);
    if (s->timer)
        event_del(s->timer);
    if (s->next)
        s->next->prev = s->prev;
    *(s->prev ? &s->prev->next : &c->streams) = s->next;
    atomic_fetch_sub_explicit(&t->worker->stream_count, 1, memory_order_relaxed);
    if (t->spare_stream_count < SPARE_STREAMS) {
        s->next = t->spare_streams;
        t->spare_streams = s;
        t->spare_stream_count++;
        return;
    }
    arena_done(&s->call.arena);
    if (s->timer)
        event_free(s->timer);
    mem_free(s);
}

void stream_reset(struct stream *s, uint32_t code)
{
    s->closing = true;
    if (nghttp2_submit_rst_stream(s->connection->session, NGHTTP2_FLAG_NONE, s->id, code) != 0)
        connection_condemn(s->connection, "out of memory");
    connection_dirty(s->connection);
}

void stream_expire(struct stream *s, const char *text)
{
    reply_abort(s, ST_DEADLINE, text, NGHTTP2_CANCEL);
    stream_end(s, ST_DEADLINE);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct stream *s = arg;

    (void)fd, (void)what;
    if (!s->ended)
        stream_expire(s, "deadline exceeded");
    else if (!s->closing || s->unsent)
        stream_reset(s, NGHTTP2_CANCEL); /* nobody waits for the rest of the answer */
}

void stream_arm(struct stream *s)
{
    uint64_t now_us, left;
    struct timeval tv;

    s->looked_after = true;
    if (!s->call.deadline_us)
        return;
    now_us = clock_now_us();
    if (!s->timer)
        s->timer = event_new(s->call.worker->base, -1, 0, on_deadline, s);
    left = s->call.deadline_us > now_us ? s->call.deadline_us - now_us : 0;
    tv.tv_sec = (time_t)(left / 1000000);
    tv.tv_usec = (suseconds_t)(left % 1000000);
    if ((!s->timer || event_add(s->timer, &tv) < 0) && !s->ended)
        stream_fail(s, ST_EXHAUSTED, "out of memory (timer)");
}

void stream_fail(struct stream *s, enum status st, const char *format, ...)
{
    struct error e;
    va_list args;

    va_start(args, format);
    vsnprintf(e.text, sizeof e.text, format, args);
    va_end(args);
    call_fail(&s->call, st, &e);
}
