/* SPDX-License-Identifier: Apache-2.0 */
/* nghttp2's callbacks. A stream's user data is its call as long as the call wants to hear of it,
   and NULL afterwards, so that late frames meet nobody. */
#include "client/session.h"

#include <string.h>

#include "base/memory.h"

#define DATA_FRAME_MAX (256 << 10) /* ours; the server's limit and windows come on top */

static void *library_alloc(size_t n, void *context)
{
    (void)context;
    return mem_alloc(n);
}

static void library_free(void *p, void *context)
{
    (void)context;
    mem_free(p);
}

static void *library_zero(size_t count, size_t n, void *context)
{
    (void)context;
    return mem_zero(count, n);
}

static void *library_resize(void *p, size_t n, void *context)
{
    (void)context;
    return mem_resize(p, n, 1);
}

static struct call *call_of(nghttp2_session *http2, int32_t stream)
{
    return nghttp2_session_get_stream_user_data(http2, stream);
}

void session_forget(struct session *s, struct call *call)
{
    nghttp2_session_set_stream_user_data(s->http2, call->stream, NULL);
    call->connection = NULL;
    s->calls--;
}

void session_drop(struct session *s, struct call *call)
{
    int32_t stream = call->stream;

    session_forget(s, call);
    /* Fails only without memory; then the stream's data are thrown away as they come. */
    (void)nghttp2_submit_rst_stream(s->http2, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
}

/* After an event: a call that is over leaves its stream. */
static void settle(struct session *s, struct call *call)
{
    if (call->over)
        session_drop(s, call);
}

static int on_header(nghttp2_session *http2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_bytes, const uint8_t *value, size_t value_bytes, uint8_t flags,
                     void *context)
{
    struct call *call = call_of(http2, frame->hd.stream_id);

    (void)flags;
    if (call) {
        call_header(call, (const char *)name, name_bytes, (const char *)value, value_bytes);
        settle(context, call);
    }
    return 0;
}

static int on_data(nghttp2_session *http2, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t n, void *context)
{
    struct call *call = call_of(http2, stream);

    (void)flags;
    if (call) {
        call_data(call, data, n);
        settle(context, call);
    }
    return 0;
}

static int on_frame(nghttp2_session *http2, const nghttp2_frame *frame, void *context)
{
    struct session *s = context;
    struct call *call;

    if (frame->hd.type == NGHTTP2_GOAWAY)
        s->draining = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    call = call_of(http2, frame->hd.stream_id);
    if (!call)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS)
        call_headers_end(call);
    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        settle(s, call);
        return 0;
    }
    call_end(call);
    /* A reset of a stream that both sides have ended would count against us at the server. */
    if (nghttp2_session_get_stream_local_close(http2, call->stream) == 1)
        session_forget(s, call);
    else
        session_drop(s, call);
    return 0;
}

static int on_unsent(nghttp2_session *http2, const nghttp2_frame *frame, int error, void *context)
{
    struct call *call = NULL;

    (void)error;
    (void)context;
    if (frame->hd.type == NGHTTP2_HEADERS)
        call = call_of(http2, frame->hd.stream_id);
    if (call)
        call->unsent = true; /* on_close() follows */
    return 0;
}

static int on_close(nghttp2_session *http2, int32_t stream, uint32_t error_code, void *context)
{
    struct session *s = context;
    struct call *call = call_of(http2, stream);

    if (!call)
        return 0;
    /* nghttp2 calls a stream above the GOAWAY's last one refused, which is what it is. */
    call_reset(call, call->unsent ? NGHTTP2_REFUSED_STREAM : error_code);
    if (call->refused)
        s->draining = true; /* the second try goes elsewhere */
    session_forget(s, call);
    return 0;
}

static ssize_t body_length(nghttp2_session *http2, uint8_t type, int32_t stream,
                           int32_t connection_window, int32_t stream_window, uint32_t frame_max,
                           void *context)
{
    ssize_t n = DATA_FRAME_MAX;

    (void)http2;
    (void)type;
    (void)stream;
    (void)context;
    n = n < connection_window ? n : connection_window;
    n = n < stream_window ? n : stream_window;
    return n < (ssize_t)frame_max ? n : (ssize_t)frame_max;
}

static ssize_t read_body(nghttp2_session *http2, int32_t stream, uint8_t *out, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *context)
{
    struct call *call = call_of(http2, stream);
    size_t n;

    (void)source;
    (void)context;
    if (!call)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* dropped: the reset is in the queue */
    n = body_read(&call->body, out, room);
    if (!call->body.at && !call->body.open)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    else if (!n)
        return NGHTTP2_ERR_DEFERRED; /* until session_resume() */
    return (ssize_t)n;
}

enum status session_resume(struct session *s, struct call *call, struct error *e)
{
    /* What else may fail is that the stream was not waiting. */
    if (nghttp2_session_resume_data(s->http2, call->stream) == NGHTTP2_ERR_NOMEM)
        return error_memory(e, "stream");
    return ST_OK;
}

static int make_session(struct session *s)
{
    nghttp2_mem memory = {NULL, library_alloc, library_free, library_zero, library_resize};
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    int failed = nghttp2_session_callbacks_new(&callbacks);

    if (!failed)
        failed = nghttp2_option_new(&option);
    if (!failed) {
        nghttp2_option_set_max_outbound_ack(option, 100); /* a flood of PINGs ends there */
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_unsent);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
        nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, body_length);
        failed = nghttp2_session_client_new3(&s->http2, callbacks, s, option, &memory);
    }
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    return failed;
}

enum status session_init(struct session *s, struct error *e)
{
    static const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0}, /* of the server's making */
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, SESSION_STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, SESSION_FRAME_MAX},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, CALL_HEADER_BYTES_MAX},
    };

    *s = (struct session){0};
    if (make_session(s) ||
        nghttp2_submit_settings(s->http2, NGHTTP2_FLAG_NONE, settings,
                                sizeof settings / sizeof *settings) ||
        nghttp2_session_set_local_window_size(s->http2, NGHTTP2_FLAG_NONE, 0,
                                              SESSION_CONNECTION_WINDOW)) {
        session_done(s);
        return error_memory(e, "HTTP/2 session");
    }
    return ST_OK;
}

void session_done(struct session *s)
{
    nghttp2_session_del(s->http2);
    s->http2 = NULL;
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

enum status session_submit(struct session *s, struct call *call, const char *authority,
                           uint64_t timeout_us, struct error *e)
{
    nghttp2_data_provider body = {.read_callback = read_body};
    char timeout[16];
    nghttp2_nv headers[] = {
        header(":method", "POST"),
        header(":scheme", "http"),
        header(":path", call->path),
        header(":authority", authority),
        header("te", "trailers"),
        header("content-type", "application/grpc"),
        header("user-agent", "embd-client/" PACKAGE_VERSION),
        header("grpc-timeout", ""),
    };
    size_t n = sizeof headers / sizeof *headers;
    int32_t stream;

    if (timeout_us == CALL_FOREVER)
        n--;
    else
        headers[n - 1] = header("grpc-timeout", grpc_timeout_format(timeout, timeout_us));
    stream = nghttp2_submit_request(s->http2, NULL, headers, n, &body, call);
    if (stream == NGHTTP2_ERR_NOMEM)
        return error_memory(e, "request");
    if (stream < 0) /* the connection has used up its 2^30 streams, or is about to end */
        return error_set(e, ST_UNAVAILABLE, "the connection takes no more calls");
    call_rewind(call);
    call->stream = stream;
    s->calls++;
    return ST_OK;
}
