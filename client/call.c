/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of a gRPC reply: what may come, in which order, and what it means when something else
   comes. A call belongs to its client's thread. */
#include "client/call.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

#include "base/text.h"

void call_rewind(struct call *call)
{
    body_rewind(&call->body);
    call->unsent = call->refused = false;
    call->http_status = 0;
    call->grpc_content = call->has_status = false;
    call->reply_status = ST_UNKNOWN;
    call->reply_message.text[0] = '\0';
    call->header_bytes = 0;
    call->prefix_bytes = 0;
    call->length = 0;
    call->received = 0;
    call->whole = false;
    call->replies = 0;
}

void call_finish(struct call *call, enum status status)
{
    if (call->over)
        return;
    call->over = true;
    call->status = status;
}

/* A server's sentence goes to terminals and logs: nothing in it may end a line or start an escape.
 */
static void make_printable(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++)
        if (*c < 0x20 || *c == 0x7f || (c[0] == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0))
            *c = ' ';
}

static bool is(const char *name, size_t n, const char *what)
{
    return n == strlen(what) && !memcmp(name, what, n);
}

void call_header(struct call *call, const char *name, size_t name_bytes, const char *value,
                 size_t value_bytes)
{
    uint64_t number;

    if (call->over)
        return;
    call->header_bytes += name_bytes + value_bytes + 32; /* as HTTP/2 counts a list */
    if (call->header_bytes > CALL_HEADER_BYTES_MAX) {
        call_finish(call, error_set(&call->error, ST_EXHAUSTED,
                                    "the reply's headers take more than %d bytes",
                                    CALL_HEADER_BYTES_MAX));
    } else if (is(name, name_bytes, ":status")) {
        call->http_status =
            parse_u64(value, value_bytes, &number) && number < 1000 ? (int)number : 0;
    } else if (is(name, name_bytes, "content-type")) {
        call->grpc_content = grpc_content_type_valid(value, value_bytes);
    } else if (is(name, name_bytes, "grpc-status")) {
        call->has_status = true;
        call->reply_status = grpc_status_parse(value, value_bytes);
    } else if (is(name, name_bytes, "grpc-message")) {
        grpc_message_decode(call->reply_message.text, sizeof call->reply_message.text, value,
                            value_bytes);
        make_printable(call->reply_message.text);
    }
}

void call_headers_end(struct call *call)
{
    if (call->over)
        return;
    if (call->http_status < 200) { /* 1xx: the real ones follow */
        call->http_status = 0;
    } else if (!call->has_status && (call->http_status != 200 || !call->grpc_content)) {
        call_finish(call, error_set(&call->error, grpc_status_from_http(call->http_status),
                                    "the reply is not gRPC (HTTP status %d)", call->http_status));
    }
}

/* Take the prefix, or a part of it; returns the bytes that belong to it. */
static size_t take_prefix(struct call *call, const unsigned char *data, size_t n)
{
    enum status st;

    if (n > GRPC_PREFIX - call->prefix_bytes)
        n = GRPC_PREFIX - call->prefix_bytes;
    memcpy(call->prefix + call->prefix_bytes, data, n);
    call->prefix_bytes += (unsigned)n;
    if (call->prefix_bytes == GRPC_PREFIX) {
        st = grpc_prefix_read(call->prefix, call->reply_max, &call->length, &call->error);
        if (st == ST_OK)
            st = call->sink.begin(call->sink.context, call->length, &call->error);
        if (st != ST_OK)
            call_finish(call, st);
        call->whole = call->length == 0;
    }
    return n;
}

/* A stream's message is complete: the next one may begin. */
static void take_message(struct call *call)
{
    enum status st = call->sink.end(call->sink.context, &call->error);

    if (st != ST_OK) {
        call_finish(call, st);
        return;
    }
    call->replies++;
    call->prefix_bytes = 0;
    call->received = 0;
    call->whole = false;
}

void call_data(struct call *call, const unsigned char *data, size_t n)
{
    while (n > 0 && !call->over) {
        size_t part;

        if (call->whole) {
            call_finish(call, error_set(&call->error, ST_INTERNAL,
                                        "the server sent more than one message"));
            return;
        }
        if (call->prefix_bytes < GRPC_PREFIX) {
            part = take_prefix(call, data, n);
        } else {
            enum status st;

            part = n < call->length - call->received ? n : (size_t)(call->length - call->received);
            st = call->sink.add(call->sink.context, data, part, &call->error);
            if (st != ST_OK)
                call_finish(call, st);
            call->received += part;
            call->whole = call->received == call->length;
        }
        if (call->whole && call->streaming && !call->over)
            take_message(call);
        data += part;
        n -= part;
    }
}

static enum status end_well(struct call *call)
{
    if (call->streaming && call->prefix_bytes == 0)
        return ST_OK;
    if (!call->whole && call->prefix_bytes == 0)
        return error_set(&call->error, ST_INTERNAL, "the server says OK but sent no message");
    if (!call->whole)
        return error_set(&call->error, ST_INTERNAL, "the reply's message is cut short");
    return call->sink.end(call->sink.context, &call->error);
}

void call_end(struct call *call)
{
    enum status st = call->reply_status;

    if (call->over)
        return;
    if (!call->has_status) {
        st = error_set(&call->error, ST_UNKNOWN, "the server ended the call without a status");
    } else if (st != ST_OK) {
        if (call->reply_message.text[0])
            call->error = call->reply_message;
        else
            error_set(&call->error, st, "the server says %s and no more", status_name(st));
    } else if (call->http_status != 200 || !call->grpc_content) {
        st = error_set(&call->error, ST_UNKNOWN, "the reply is not gRPC (HTTP status %d)",
                       call->http_status);
    } else {
        st = end_well(call);
    }
    call_finish(call, st);
}

void call_reset(struct call *call, uint32_t error_code)
{
    if (call->over)
        return;
    if (error_code == NGHTTP2_REFUSED_STREAM && !call->replies) {
        call->refused = true; /* whether it is sent again is the client's to say */
        return;
    }
    call_finish(call,
                error_set(&call->error, grpc_status_from_reset(error_code),
                          "the server reset the call (%s)", nghttp2_http2_strerror(error_code)));
}
