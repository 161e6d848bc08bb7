/* SPDX-License-Identifier: Apache-2.0 */
/* Moves bytes between a socket and its HTTP/2 session. Every step does a bounded amount of work, so
   that a server that never stops sending cannot keep the client from looking at the clock. */
#include "client/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"

#define READS_MAX 8 /* in one step */

static void close_socket(struct connection *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
}

/* The end: the sentence is in c->error. To its calls it is ST_UNAVAILABLE, whatever it was. */
static void end(struct connection *c)
{
    close_socket(c);
    c->state = CONNECTION_CLOSED;
}

static void end_errno(struct connection *c, const char *what, int error_number)
{
    error_set(&c->error, ST_UNAVAILABLE, "%s %s: %s", what, QUOTE(c->address->text),
              strerror(error_number));
    end(c);
}

static void end_http2(struct connection *c, int error)
{
    if (error == NGHTTP2_ERR_NOMEM)
        error_memory(&c->error, "HTTP/2");
    else
        error_set(&c->error, ST_UNAVAILABLE, "%s does not keep to HTTP/2%s%s",
                  QUOTE(c->address->text), error ? ": " : "", error ? nghttp2_strerror(error) : "");
    end(c);
}

static void connected(struct connection *c)
{
    int on = 1;

    if (c->address->port)
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    c->state = CONNECTION_OPEN;
}

/* Go through the endpoints until one connects or answers "in progress". */
static void connect_next(struct connection *c)
{
    int failed = 0;

    while (c->endpoint_next < c->endpoint_count) {
        const struct endpoint *to = &c->endpoint[c->endpoint_next++];

        close_socket(c);
        c->fd = socket(to->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (c->fd < 0) {
            failed = errno;
            continue;
        }
        if (connect(c->fd, (const struct sockaddr *)&to->address, to->size) == 0) {
            connected(c);
            return;
        }
        if (errno == EINPROGRESS)
            return;
        failed = errno;
    }
    end_errno(c, "cannot connect to", failed);
}

/* The socket has become writable while connecting. */
static void connect_on(struct connection *c)
{
    socklen_t n = sizeof(int);
    int failed = 0;

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &failed, &n) < 0)
        failed = errno;
    if (!failed)
        connected(c);
    else if (c->endpoint_next < c->endpoint_count)
        connect_next(c);
    else
        end_errno(c, "cannot connect to", failed);
}

enum status connection_new(struct connection **out, const struct address *address,
                           uint64_t connect_deadline_us, struct error *e)
{
    struct connection *c = mem_alloc(sizeof *c);
    enum status st;

    if (!c)
        return error_memory(e, "connection");
    memset(c, 0, offsetof(struct connection, out)); /* the buffers need no zeros */
    c->fd = -1;
    c->address = address;
    c->connect_deadline_us = connect_deadline_us;
    st = address_resolve(address, c->endpoint, &c->endpoint_count, e);
    if (st == ST_OK)
        st = session_init(&c->session, e);
    if (st != ST_OK) {
        connection_free(c);
        return st;
    }
    connect_next(c);
    *out = c;
    return ST_OK;
}

void connection_free(struct connection *c)
{
    if (!c)
        return;
    session_done(&c->session);
    close_socket(c);
    mem_free(c);
}

bool connection_takes_calls(const struct connection *c)
{
    return c->state != CONNECTION_CLOSED && !c->session.draining &&
           nghttp2_session_check_request_allowed(c->session.http2);
}

short connection_events(const struct connection *c)
{
    short events = POLLIN;

    if (c->state == CONNECTION_CONNECTING)
        return POLLOUT;
    if (c->out_end > c->out_start || c->frame_bytes || nghttp2_session_want_write(c->session.http2))
        events |= POLLOUT;
    return events;
}

/* Gather small frames in `out`; a frame too large for it stays where nghttp2 has it. */
static void fill_out(struct connection *c)
{
    if (c->out_start == c->out_end)
        c->out_start = c->out_end = 0;
    while (!c->frame_bytes) {
        const uint8_t *frame;
        ssize_t n = nghttp2_session_mem_send(c->session.http2, &frame);

        if (n < 0) {
            end_http2(c, (int)n);
            return;
        }
        if (n == 0)
            return;
        if ((size_t)n <= sizeof c->out - c->out_end) {
            memcpy(c->out + c->out_end, frame, (size_t)n);
            c->out_end += (size_t)n;
        } else {
            c->frame = frame;
            c->frame_bytes = (size_t)n;
        }
    }
}

void connection_flush(struct connection *c)
{
    while (c->state == CONNECTION_OPEN) {
        struct iovec part[2];
        struct msghdr message = {.msg_iov = part};
        ssize_t n;

        fill_out(c);
        if (c->out_end > c->out_start)
            part[message.msg_iovlen++] =
                (struct iovec){c->out + c->out_start, c->out_end - c->out_start};
        if (c->frame_bytes)
            part[message.msg_iovlen++] =
                (struct iovec){(void *)(uintptr_t)c->frame, c->frame_bytes};
        if (!message.msg_iovlen || c->state != CONNECTION_OPEN)
            return;
        n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n < 0) {
            /* What the server sent before it hung up may still be readable: the reader ends it. */
            if (errno != EPIPE && errno != ECONNRESET)
                end_errno(c, "cannot send to", errno);
            return;
        }
        if ((size_t)n >= c->out_end - c->out_start) {
            n -= (ssize_t)(c->out_end - c->out_start);
            c->out_start = c->out_end = 0;
            if (n) /* only then there is a frame */
                c->frame += n;
            c->frame_bytes -= (size_t)n;
        } else {
            c->out_start += (size_t)n;
        }
    }
}

/* Read while a full buffer tells that more is there, but only so often. */
static void receive(struct connection *c)
{
    for (int reads = 0; reads < READS_MAX && c->state == CONNECTION_OPEN; reads++) {
        ssize_t n = recv(c->fd, c->in, sizeof c->in, 0), used;

        if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n < 0 && errno != ECONNRESET) {
            end_errno(c, "cannot read from", errno);
            return;
        }
        if (n <= 0) { /* it is a matter of chance which of the two a hang-up becomes */
            error_set(&c->error, ST_UNAVAILABLE, "%s closed the connection",
                      QUOTE(c->address->text));
            end(c);
            return;
        }
        used = nghttp2_session_mem_recv(c->session.http2, c->in, (size_t)n);
        if (used < 0)
            end_http2(c, (int)used);
        if ((size_t)n < sizeof c->in)
            return;
    }
}

void connection_step(struct connection *c, short events, uint64_t now_us)
{
    if (c->state == CONNECTION_CONNECTING) {
        if (events) {
            connect_on(c);
        } else if (now_us >= c->connect_deadline_us) {
            error_set(&c->error, ST_UNAVAILABLE, "cannot connect to %s: no answer",
                      QUOTE(c->address->text));
            end(c);
        }
    } else if (c->state == CONNECTION_OPEN && (events & (POLLIN | POLLHUP | POLLERR))) {
        receive(c);
    }
    connection_flush(c);
    /* Nothing more can happen on a session that neither reads nor writes. */
    if (c->state == CONNECTION_OPEN && !nghttp2_session_want_read(c->session.http2) &&
        !nghttp2_session_want_write(c->session.http2)) {
        if (c->session.draining) {
            error_set(&c->error, ST_UNAVAILABLE, "%s ended the connection",
                      QUOTE(c->address->text));
            end(c);
        } else {
            end_http2(c, 0);
        }
    }
}
