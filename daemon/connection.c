/* SPDX-License-Identifier: Apache-2.0 */
/* One HTTP/2 connection, from its socket to its end: reading, leaving, lingering, closing. Its
   output is in output.c, what nghttp2 tells us in session.c, what is overdue in tick.c. */
#include "daemon/transport.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"

/* Input goes to nghttp2 in pieces of this size, so that a verdict comes soon after the offence. */
#define PIECE ((size_t)16 << 10)
/* So many bytes of answers go out before more input is looked at: they are still in the cache, and
   the memory that they leave is, too, when the next answer takes it. */
#define SEND_AT ((size_t)256 << 10)
/* How much input a closing connection throws away before it is cut off for good. */
#define LINGER_BYTES ((size_t)1 << 20)
/* Frames that may wait in nghttp2 besides a few for each stream. */
#define QUEUE_SLACK 1000

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct connection *c = arg;
    ssize_t n = recv(fd, c->transport->input, INPUT_SIZE, 0);

    (void)what;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0 && c->phase != PHASE_LINGER) {
        connection_receive(c, c->transport->input, (size_t)n);
        return;
    }
    if (n > 0 && (c->linger_bytes += (size_t)n) <= LINGER_BYTES)
        return;
    connection_close(c);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    connection_dirty(arg);
}

struct connection *connection_new(struct transport *t, int fd)
{
    struct connection *c = mem_zero(1, sizeof *c);
    uint64_t now_us = clock_now_us();

    if (!c) {
        close(fd);
        atomic_fetch_sub_explicit(&t->worker->connection_count, 1, memory_order_relaxed);
        return NULL;
    }
    c->transport = t;
    c->fd = fd;
    c->phase_us = c->heard_us = c->idle_us = now_us;
    flood_start(&c->flood, t->limits, now_us);
    c->next = t->connections;
    if (c->next)
        c->next->prev = c;
    t->connections = c;
    c->output = evbuffer_new();
    c->read_event = event_new(t->worker->base, fd, EV_READ | EV_PERSIST, on_readable, c);
    c->write_event = event_new(t->worker->base, fd, EV_WRITE, on_writable, c);
    if (!c->output || !c->read_event || !c->write_event || event_add(c->read_event, NULL) < 0 ||
        session_open(c) < 0) {
        connection_close(c);
        return NULL;
    }
    c->reading = true;
    connection_dirty(c);
    return c;
}

void connection_receive(struct connection *c, const unsigned char *data, size_t n)
{
    size_t queue_max = QUEUE_SLACK + 4 * c->transport->limits->max_streams;

    c->heard_us = clock_now_us();
    while (n && !c->verdict) {
        ssize_t used = nghttp2_session_mem_recv(c->session, data, n < PIECE ? n : PIECE);

        if (used < 0) {
            connection_failed(c, (int)used);
            return;
        }
        data += used;
        n -= (size_t)used;
        if (nghttp2_session_get_outbound_queue_size(c->session) > queue_max)
            connection_condemn(c, "frames pile up that it makes us send");
        if (c->queued >= SEND_AT && !c->blocked && !c->verdict && !connection_flush(c))
            return;
    }
    /* Most calls are over by now; only the others need a timer. The new ones come first. */
    for (struct stream *s = c->streams; s && !s->looked_after; s = s->next)
        if (s->begun)
            stream_arm(s);
    if (c->verdict)
        connection_cut(c, c->verdict);
    else
        connection_dirty(c);
}

void connection_dirty(struct connection *c)
{
    struct transport *t = c->transport;

    if (c->dirty)
        return;
    c->dirty = true;
    c->next_dirty = t->dirty;
    t->dirty = c;
}

void connection_update_reading(struct connection *c)
{
    size_t unsent = evbuffer_get_length(c->output);
    /* Answers that wait for a window do not count, or we would never see the update that they wait
       for. */
    bool full =
        c->session && c->blocked && unsent + c->queued > c->transport->limits->max_buffered_bytes;

    if (full == !c->reading)
        return;
    if ((full ? event_del(c->read_event) : event_add(c->read_event, NULL)) < 0)
        return;
    c->reading = !full;
    if (c->reading)
        c->reading_us = clock_now_us();
}

static void drop_streams(struct connection *c)
{
    while (c->streams)
        stream_free(c->streams);
    nghttp2_session_del(c->session);
    c->session = NULL;
}

void connection_linger(struct connection *c)
{
    drop_streams(c);
    c->phase = PHASE_LINGER;
    c->phase_us = clock_now_us();
    connection_update_reading(c);
    connection_dirty(c);
}

void connection_close(struct connection *c)
{
    struct transport *t = c->transport;
    struct connection **at;

    drop_streams(c);
    if (c->dirty) {
        for (at = &t->dirty; *at != c; at = &(*at)->next_dirty)
            ;
        *at = c->next_dirty;
    }
    if (c->read_event)
        event_free(c->read_event);
    if (c->write_event)
        event_free(c->write_event);
    if (c->output)
        evbuffer_free(c->output);
    close(c->fd);
    if (c->next)
        c->next->prev = c->prev;
    *(c->prev ? &c->prev->next : &t->connections) = c->next;
    atomic_fetch_sub_explicit(&t->worker->connection_count, 1, memory_order_relaxed);
    mem_free(c);
}

void connection_drain(struct connection *c)
{
    if (c->phase != PHASE_OPEN)
        return;
    c->phase = PHASE_NOTICE;
    c->phase_us = clock_now_us();
    if (nghttp2_submit_shutdown_notice(c->session) != 0)
        connection_condemn(c, "out of memory");
    connection_dirty(c);
}

void connection_leave(struct connection *c)
{
    if (c->phase != PHASE_NOTICE)
        return;
    c->phase = PHASE_LEAVE;
    c->phase_us = clock_now_us();
    if (nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(c->session), NGHTTP2_NO_ERROR,
                              NULL, 0) != 0)
        connection_condemn(c, "out of memory");
    connection_dirty(c);
}
