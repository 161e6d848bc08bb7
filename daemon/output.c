/* SPDX-License-Identifier: Apache-2.0 */
/* The way out: frames into the connection's output buffer, large payloads by reference, and the
   buffer into the socket. nghttp2 is asked for more only while little is unsent, so that data are
   made when there is room for them. */
#include "daemon/transport.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/memory.h"

#define OUTPUT_MAX ((size_t)1 << 20)
#define COPY_MAX 2048 /* copying so little is cheaper than a reference of its own */
#define SPARE_MESSAGES 1024
/* How often one connection fills the socket before others have their turn. */
#define ROUNDS 4
#define FRAME_HEADER 9

struct message *message_new(struct transport *t, struct block *block, uint64_t charged)
{
    struct message *m = t->spare_messages;

    if (m) {
        t->spare_messages = m->next;
        t->spare_message_count--;
    } else {
        m = mem_alloc(sizeof *m);
    }
    if (!m) {
        block_unref(block);
        return NULL;
    }
    *m = (struct message){.transport = t, .block = block, .charged = charged, .refs = 1};
    return m;
}

void message_unref(struct message *m)
{
    struct transport *t = m->transport;

    if (--m->refs)
        return;
    block_unref(m->block);
    worker_discharge(t->worker, m->charged);
    if (t->spare_message_count < SPARE_MESSAGES) {
        m->next = t->spare_messages;
        t->spare_messages = m;
        t->spare_message_count++;
    } else {
        mem_free(m);
    }
}

static void drop_reference(const void *data, size_t n, void *arg)
{
    (void)data, (void)n;
    message_unref(arg);
}

static bool output_full(const struct connection *c)
{
    return evbuffer_get_length(c->output) >= OUTPUT_MAX;
}

ssize_t output_send(nghttp2_session *session, const uint8_t *data, size_t n, int flags, void *user)
{
    struct connection *c = user;

    (void)session, (void)flags;
    if (output_full(c))
        return NGHTTP2_ERR_WOULDBLOCK;
    return evbuffer_add(c->output, data, n) == 0 ? (ssize_t)n : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* A DATA frame whose payload is part of the first message. */
int output_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header,
                     size_t n, nghttp2_data_source *source, void *user)
{
    struct connection *c = user;
    struct stream *s = source->ptr;
    struct message *m = s->first;
    const unsigned char *payload = m->block->data + m->offset;

    (void)session, (void)frame;
    if (evbuffer_add(c->output, header, FRAME_HEADER) < 0)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (n <= COPY_MAX) {
        if (evbuffer_add(c->output, payload, n) < 0)
            return NGHTTP2_ERR_CALLBACK_FAILURE;
    } else {
        if (evbuffer_add_reference(c->output, payload, n, drop_reference, m) < 0)
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        m->refs++;
    }
    if (!s->begun_left)
        s->begun_left = GRPC_PREFIX + (uint64_t)grpc_prefix_length(m->block->data);
    s->begun_left -= n;
    m->offset += n;
    s->unsent -= n;
    c->queued -= n;
    progress_add(&s->writing, n, c->heard_us);
    flood_earn_data(&c->flood);
    if (m->offset == m->block->size) {
        s->first = m->next;
        if (!s->first)
            s->last = &s->first;
        message_unref(m);
    }
    return output_full(c) ? NGHTTP2_ERR_PAUSE : 0;
}

static void put_u32(unsigned char *p, uint32_t v)
{
    p[0] = (unsigned char)(v >> 24);
    p[1] = (unsigned char)(v >> 16);
    p[2] = (unsigned char)(v >> 8);
    p[3] = (unsigned char)v;
}

void output_goaway(struct connection *c, uint32_t code, const char *text)
{
    unsigned char frame[FRAME_HEADER + 8 + 64] = {0};
    size_t n = strlen(text);

    if (n > 64)
        n = 64;
    frame[2] = (unsigned char)(8 + n);
    frame[3] = NGHTTP2_GOAWAY;
    put_u32(frame + 9, (uint32_t)nghttp2_session_get_last_proc_stream_id(c->session));
    put_u32(frame + 13, code);
    memcpy(frame + 17, text, n);
    /* The buffer always ends at a frame's end. Without memory the peer is not told. */
    (void)evbuffer_add(c->output, frame, 17 + n);
}

static void resume_bodies(struct connection *c)
{
    struct stream *s, *next;

    c->held_back = false;
    for (s = c->streams; s; s = next) {
        next = s->next;
        body_resume(s);
        if (buffer_size(&s->held))
            c->held_back = true;
    }
}

/* Write to the socket; false if it is broken. */
static bool write_some(struct connection *c)
{
    int n = evbuffer_write(c->output, c->fd);

    if (n > 0)
        progress_add(&c->writing, (uint64_t)n, clock_now_us());
    return n >= 0 || errno == EAGAIN || errno == EINTR;
}

bool connection_flush(struct connection *c)
{
    bool more = true;

    for (int round = 0; round < ROUNDS && more; round++) {
        int rv = c->session ? nghttp2_session_send(c->session) : 0;

        if (rv != 0) {
            connection_failed(c, rv);
            return false;
        }
        more = evbuffer_get_length(c->output) > 0;
        if (more && !write_some(c)) {
            connection_close(c);
            return false;
        }
        if (evbuffer_get_length(c->output))
            break;
    }
    if (c->verdict && c->session) {
        connection_cut(c, c->verdict);
        return false;
    }
    if (c->held_back)
        resume_bodies(c);
    if (more && event_add(c->write_event, NULL) < 0) {
        connection_close(c);
        return false;
    }
    c->blocked = more;
    connection_update_reading(c);
    if (more)
        return true;
    if (c->session && !nghttp2_session_want_read(c->session) &&
        !nghttp2_session_want_write(c->session))
        connection_linger(c);
    if (!c->session && !c->shut)
        c->shut = shutdown(c->fd, SHUT_WR) == 0;
    return c->session;
}
