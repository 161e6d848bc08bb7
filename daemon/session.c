/* SPDX-License-Identifier: Apache-2.0 */
/* What nghttp2 tells us, and how it is set up. Every callback returns 0 unless memory is out; what
   is wrong with the peer ends as a reset stream or as the connection's verdict. */
#include "daemon/transport.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"

/* The smallest figures that honest peers never meet. */
#define ACKS_MAX 100
#define SETTINGS_MAX 32
#define CONTINUATIONS_MAX 8

static void count_control(struct connection *c)
{
    if (!flood_control(&c->flood, c->transport->limits, c->heard_us))
        connection_condemn(c, "too many control frames");
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct connection *c = user;
    struct stream *s;

    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    s = stream_new(c, frame->hd.stream_id);
    if (!s)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, s);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *user)
{
    struct stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    (void)flags, (void)user;
    return s ? request_header(s, name, name_size, value, value_size) : 0;
}

/* A field that nghttp2 would leave out: the request is malformed, and the stream is reset. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_size, const uint8_t *value,
                             size_t value_size, uint8_t flags, void *user)
{
    (void)session, (void)frame, (void)name, (void)name_size;
    (void)value, (void)value_size, (void)flags, (void)user;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t n, void *user)
{
    struct stream *s = nghttp2_session_get_stream_user_data(session, id);

    (void)flags, (void)user;
    if (s && s->begun && !s->ended)
        body_add(s, data, n);
    else
        nghttp2_session_consume(session, id, n);
    return 0;
}

static void on_ping(struct connection *c, const nghttp2_ping *ping)
{
    if (!(ping->hd.flags & NGHTTP2_FLAG_ACK))
        count_control(c);
    else if (memcmp(ping->opaque_data, DRAIN_PING, sizeof ping->opaque_data) == 0)
        connection_leave(c);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct connection *c = user;
    struct stream *s = NULL;
    bool end = false;

    c->settled = true;
    if (frame->hd.stream_id)
        s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        if (s && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
            flood_earn_call(&c->flood);
            request_begin(s);
        }
        end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
        break;
    case NGHTTP2_DATA:
        end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
        if (!end && frame->hd.length == frame->data.padlen)
            count_control(c);
        break;
    case NGHTTP2_PING:
        on_ping(c, &frame->ping);
        break;
    case NGHTTP2_RST_STREAM:
        if (!s)
            count_control(c);
        else if (!flood_reset(&c->flood, c->transport->limits, c->heard_us))
            connection_condemn(c, "too many streams reset");
        break;
    case NGHTTP2_SETTINGS:
        if (!(frame->hd.flags & NGHTTP2_FLAG_ACK))
            count_control(c);
        break;
    default:
        count_control(c);
    }
    if (s && end)
        body_end(s);
    return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                            void *user)
{
    struct connection *c = user;

    (void)session, (void)frame, (void)error;
    if (!flood_invalid(&c->flood, c->heard_us))
        connection_condemn(c, "too many frames that break the rules");
    return 0;
}

static void on_reset_sent(struct connection *c, const struct stream *s, uint32_t code)
{
    if (code == NGHTTP2_NO_ERROR || (s && s->ended))
        return;
    if (code == NGHTTP2_REFUSED_STREAM) /* an honest peer may try before it knows our settings */
        count_control(c);
    else if (!flood_own_reset(&c->flood, c->heard_us))
        connection_condemn(c, "it makes us reset too many streams");
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct connection *c = user;
    struct stream *s = NULL;

    if (frame->hd.stream_id)
        s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        /* The answer is complete before the request is: tell the peer to stop. Earlier than here,
           the reset would overtake the answer. */
        if (s && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) && !s->remote_closed &&
            nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id, s->reset_code) != 0)
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        break;
    case NGHTTP2_RST_STREAM:
        on_reset_sent(c, s, frame->rst_stream.error_code);
        break;
    case NGHTTP2_GOAWAY:
        if (frame->goaway.error_code != NGHTTP2_NO_ERROR)
            connection_note(c, nghttp2_http2_strerror(frame->goaway.error_code));
        /* Requests that are under way when the peer reads the notice arrive before its answer to
           this PING. (Submitted together, the PING would go first.) */
        else if (c->phase == PHASE_NOTICE &&
                 nghttp2_submit_ping(session, NGHTTP2_FLAG_NONE, (const uint8_t *)DRAIN_PING) != 0)
            return NGHTTP2_ERR_CALLBACK_FAILURE;
        break;
    }
    return 0;
}

/* Only for want of memory: an answer that cannot go out must not leave its stream open for ever. */
static int on_frame_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int error,
                             void *user)
{
    struct stream *s = NULL;

    (void)error, (void)user;
    if (frame->hd.type == NGHTTP2_HEADERS)
        s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (s)
        stream_reset(s, NGHTTP2_INTERNAL_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *user)
{
    struct connection *c = user;
    struct stream *s = nghttp2_session_get_stream_user_data(session, id);

    (void)error_code;
    if (!s)
        return 0;
    nghttp2_session_set_stream_user_data(session, id, NULL);
    stream_free(s);
    if (!c->streams)
        c->idle_us = clock_now_us();
    return 0;
}

int session_setup(struct transport *t)
{
    nghttp2_session_callbacks *cb;
    nghttp2_option *o;

    if (nghttp2_session_callbacks_new(&cb) != 0)
        return -1;
    t->callbacks = cb;
    nghttp2_session_callbacks_set_send_callback(cb, output_send);
    nghttp2_session_callbacks_set_send_data_callback(cb, output_send_data);
    nghttp2_session_callbacks_set_data_source_read_length_callback(cb, reply_read_length);
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(cb, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_invalid_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(cb, on_frame_not_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    if (nghttp2_option_new(&o) != 0)
        return -1;
    t->option = o;
    nghttp2_option_set_no_auto_window_update(o, 1);
    nghttp2_option_set_no_closed_streams(o, 1);
    nghttp2_option_set_max_outbound_ack(o, ACKS_MAX);
    nghttp2_option_set_max_settings(o, SETTINGS_MAX);
#ifdef HAVE_NGHTTP2_OPTION_SET_MAX_CONTINUATIONS
    nghttp2_option_set_max_continuations(o, CONTINUATIONS_MAX);
#endif
#ifdef HAVE_NGHTTP2_OPTION_SET_STREAM_RESET_RATE_LIMIT
    /* Our own count knows which resets cost something, and can say why. */
    nghttp2_option_set_stream_reset_rate_limit(o, UINT32_MAX, UINT32_MAX);
#endif
    return 0;
}

/* nghttp2 allocates as we do. */
static void *allocate(size_t n, void *user)
{
    (void)user;
    return mem_alloc(n);
}

static void release(void *p, void *user)
{
    (void)user;
    mem_free(p);
}

static void *allocate_zero(size_t count, size_t bytes, void *user)
{
    (void)user;
    return mem_zero(count, bytes);
}

static void *reallocate(void *p, size_t n, void *user)
{
    (void)user;
    return mem_resize(p, n, 1);
}

int session_open(struct connection *c)
{
    const struct limits *l = c->transport->limits;
    nghttp2_mem memory = {NULL, allocate, release, allocate_zero, reallocate};
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)l->max_streams},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)l->max_headers_bytes},
    };

    if (nghttp2_session_server_new3(&c->session, c->transport->callbacks, c, c->transport->option,
                                    &memory) != 0)
        return -1;
    if (nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, settings,
                                sizeof settings / sizeof *settings) != 0 ||
        nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0,
                                              CONNECTION_WINDOW) != 0)
        return -1;
    return 0;
}
