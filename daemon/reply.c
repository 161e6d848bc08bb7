/* SPDX-License-Identifier: Apache-2.0 */
/* The answer of a call, in gRPC's three shapes: trailers alone; headers, messages and trailers; or
   a reset in the middle of a message. nghttp2 asks for the messages as windows and socket allow. */
#include "daemon/transport.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"

/* Peers allow frames of up to 16 MiB. Beyond this size nothing is gained, and the answers of other
   calls, which take turns frame by frame, wait longer. */
#define FRAME_MAX ((size_t)256 << 10)
/* What is left behind such a frame goes into it rather than into one of its own, if it is so
   little. */
#define FRAME_REST ((size_t)4 << 10)

#define STATIC_FIELD(name, value)                                                                  \
    {                                                                                              \
        (uint8_t *)(name), (uint8_t *)(value), sizeof(name) - 1, sizeof(value) - 1,                \
            NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE                           \
    }
#define CONTENT_TYPE STATIC_FIELD("content-type", "application/grpc")

static nghttp2_nv field(const char *name, const char *value, uint8_t flags)
{
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), flags};
}

/* grpc-status and, where there is one, grpc-message; returns how many fields. `text` is encoded. */
static size_t status_fields(nghttp2_nv out[2], enum status st, const char *text)
{
    static const char *const number[ST_COUNT] = {"0", "1",  "2",  "3",  "4",  "5",  "6",  "7", "8",
                                                 "9", "10", "11", "12", "13", "14", "15", "16"};

    out[0] = field("grpc-status", number[st], NGHTTP2_NV_FLAG_NONE);
    if (!text || !*text)
        return 1;
    /* No two are alike: not for the peer's table. */
    out[1] = field("grpc-message", text, NGHTTP2_NV_FLAG_NO_INDEX);
    return 2;
}

/* nghttp2 had no memory for the answer. */
static void check(struct stream *s, int rv)
{
    if (rv != 0)
        stream_reset(s, NGHTTP2_INTERNAL_ERROR);
}

static void send_trailers(struct stream *s, enum status st, const char *text)
{
    nghttp2_nv nv[2];
    size_t n = status_fields(nv, st, text);

    s->closing = true;
    check(s, nghttp2_submit_trailer(s->connection->session, s->id, nv, n));
}

static void send_trailers_only(struct stream *s, int http, enum status st, const char *text)
{
    static const struct {
        int http;
        nghttp2_nv nv;
    } line[] = {{200, STATIC_FIELD(":status", "200")},
                {400, STATIC_FIELD(":status", "400")},
                {405, STATIC_FIELD(":status", "405")},
                {415, STATIC_FIELD(":status", "415")}};
    static const nghttp2_nv type = CONTENT_TYPE, allow = STATIC_FIELD("allow", "POST"),
                            accept = STATIC_FIELD("grpc-accept-encoding", "identity");
    nghttp2_nv nv[6];
    size_t n = 0;

    for (size_t i = 0; i < sizeof line / sizeof *line; i++)
        if (line[i].http == http)
            nv[n++] = line[i].nv;
    nv[n++] = type;
    if (http == 405)
        nv[n++] = allow;
    if (s->encoding_unknown)
        nv[n++] = accept;
    n += status_fields(nv + n, st, text);
    s->responded = s->closing = true;
    check(s, nghttp2_submit_response(s->connection->session, s->id, nv, n, NULL));
}

static void send_headers(struct stream *s)
{
    static const nghttp2_nv nv[] = {STATIC_FIELD(":status", "200"), CONTENT_TYPE};
    nghttp2_data_provider provider = {.source.ptr = s, .read_callback = reply_read};

    s->responded = true;
    check(s, nghttp2_submit_response(s->connection->session, s->id, nv, sizeof nv / sizeof *nv,
                                     &provider));
}

/* Every word is said: end the stream with its status once the messages are out. */
static void finish(struct stream *s, int http, enum status st, const char *sentence)
{
    char text[GRPC_MESSAGE_MAX + 1] = "";
    size_t n = st == ST_OK ? 0 : grpc_message_encode(text, sentence);

    s->finished = true;
    s->status = st;
    if (!s->responded && !s->first)
        send_trailers_only(s, http, st, text);
    else if (s->deferred && !s->first)
        send_trailers(s, st, text);
    else if (n)
        s->text = mem_text(text, n); /* without memory the status goes alone */
    connection_dirty(s->connection);
}

/* Of a message whose first piece, or all of it, is `block`: its bytes with gRPC's prefix. */
static uint64_t message_bytes(const struct block *block)
{
    return GRPC_PREFIX + (uint64_t)grpc_prefix_length(block->data);
}

static void add_message(struct stream *s, struct block *block)
{
    struct transport *t = s->connection->transport;
    uint64_t size = block->size, charged = s->reply_charged < size ? s->reply_charged : size;
    struct message *m = message_new(t, block, size);

    if (!m) {
        stream_reset(s, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    /* What the service has not counted is counted here, and not refused: it is there already. */
    s->reply_charged -= charged;
    atomic_fetch_add_explicit(&t->worker->inflight_bytes, size - charged, memory_order_relaxed);
    *s->last = m;
    s->last = &m->next;
    s->unsent += size;
    s->connection->queued += size;
    if (s->deferred) {
        s->deferred = false;
        nghttp2_session_resume_data(s->connection->session, s->id);
    }
    connection_dirty(s->connection);
}

struct block *call_message_begin(size_t n, size_t room)
{
    struct block *b = n <= UINT32_MAX ? block_new(GRPC_PREFIX + room) : NULL;

    if (!b)
        return NULL;
    grpc_prefix_write(b->data, (uint32_t)n);
    b->size = GRPC_PREFIX;
    return b;
}

struct block *call_message_new(size_t n)
{
    struct block *b = call_message_begin(n, n);

    if (b)
        b->size += n;
    return b;
}

bool call_charge(struct call *call, uint64_t bytes)
{
    struct stream *s = (struct stream *)call;

    if (!worker_charge(call->worker, bytes))
        return false;
    s->reply_charged += bytes;
    return true;
}

void call_send(struct call *call, struct block *message)
{
    struct stream *s = (struct stream *)call;

    assert(!s->ended && !s->finished);
    if (!s->owed)
        s->owed = message_bytes(message);
    assert(message->size <= s->owed);
    s->owed -= message->size;
    add_message(s, message);
    if (!s->responded)
        send_headers(s);
}

void call_finish(struct call *call)
{
    struct stream *s = (struct stream *)call;

    assert(!s->ended && !s->owed);
    finish(s, 200, ST_OK, NULL);
    stream_end(s, ST_OK);
}

void call_reply(struct call *call, struct block *message)
{
    call_send(call, message);
    call_finish(call);
}

void call_fail(struct call *call, enum status st, const struct error *e)
{
    struct stream *s = (struct stream *)call;

    assert(!s->ended && st != ST_OK);
    if (s->owed)
        reply_abort(s, st, e->text, NGHTTP2_INTERNAL_ERROR);
    else
        finish(s, 200, st, e->text);
    stream_end(s, st);
}

size_t call_unsent(const struct call *call)
{
    return ((const struct stream *)call)->unsent;
}

void reply_refuse(struct stream *s, int http_status, enum status st, const char *text)
{
    finish(s, http_status, st, text);
    stream_end(s, st);
}

void reply_abort(struct stream *s, enum status st, const char *text, uint32_t code)
{
    s->reset_code = code;
    if (s->begun_left) {
        s->finished = true;
        stream_reset(s, code);
        return;
    }
    reply_free(s);
    s->deferred = true; /* nothing is left to wait for: reply_read() is not asked any more */
    finish(s, 200, st, text);
}

void reply_free(struct stream *s)
{
    struct message *m;

    while ((m = s->first)) {
        s->first = m->next;
        message_unref(m);
    }
    s->last = &s->first;
    s->owed = 0;
    s->connection->queued -= s->unsent;
    s->unsent = 0;
    mem_free(s->text);
    s->text = NULL;
}

ssize_t reply_read(nghttp2_session *session, int32_t id, uint8_t *buf, size_t n, uint32_t *flags,
                   nghttp2_data_source *source, void *user)
{
    struct stream *s = source->ptr;
    struct message *m = s->first;
    size_t left = m ? m->block->size - m->offset : 0;

    (void)session, (void)id, (void)buf, (void)user;
    if (s->closing || (!m && !s->finished)) {
        s->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    if (n > left)
        n = left;
    if (m)
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (s->finished && n == left && (!m || !m->next)) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        send_trailers(s, s->status, s->text);
    }
    return (ssize_t)n;
}

ssize_t reply_read_length(nghttp2_session *session, uint8_t type, int32_t id,
                          int32_t connection_window, int32_t stream_window, uint32_t frame_max,
                          void *user)
{
    const struct stream *s = nghttp2_session_get_stream_user_data(session, id);
    const struct message *m = s ? s->first : NULL;
    size_t n = m ? m->block->size - m->offset : 1;

    (void)type, (void)user;
    if (n > FRAME_MAX + FRAME_REST)
        n = FRAME_MAX;
    if (n > frame_max)
        n = frame_max;
    if (n > (size_t)connection_window)
        n = (size_t)connection_window;
    if (n > (size_t)stream_window)
        n = (size_t)stream_window;
    return (ssize_t)n;
}
