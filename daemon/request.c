/* SPDX-License-Identifier: Apache-2.0 */
/* The headers of a request: looked at as they come, judged when they are complete. Only what
   decides the call is kept. */
#include "daemon/transport.h"

#include <string.h>

#include "base/text.h"
#include "daemon/server.h"

/* Over the limit a call gets its status; so far over it, the stream is reset. */
#define GROSS 8
#define PATH_KEPT 128

static void take_method(struct stream *s, const char *v, size_t n)
{
    s->post = n == 4 && memcmp(v, "POST", 4) == 0;
}

static void take_path(struct stream *s, const char *v, size_t n)
{
    struct transport *t = s->connection->transport;

    s->call.rpc = rpc_map_find(&t->rpcs, v, n);
    if (s->call.rpc)
        return;
    s->path_size = n;
    s->path = arena_text(&s->call.arena, v, n < PATH_KEPT ? n : PATH_KEPT);
}

static void take_content_type(struct stream *s, const char *v, size_t n)
{
    s->grpc = grpc_content_type_valid(v, n);
}

static void take_timeout(struct stream *s, const char *v, size_t n)
{
    s->timed = true;
    s->timeout_bad |= !grpc_timeout_parse(v, n, &s->timeout_us);
}

static void take_encoding(struct stream *s, const char *v, size_t n)
{
    s->encoding_unknown = n != 8 || memcmp(v, "identity", 8) != 0;
}

static const struct {
    const char *name;
    size_t size;
    void (*take)(struct stream *s, const char *v, size_t n);
} known[] = {
    {":path", 5, take_path},
    {":method", 7, take_method},
    {"content-type", 12, take_content_type},
    {"grpc-timeout", 12, take_timeout},
    {"grpc-encoding", 13, take_encoding},
};

static bool is_base64(unsigned char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

/* One value of binary metadata, padded or not. */
static bool binary_valid(const char *v, size_t n)
{
    size_t letters = 0, padding;

    while (letters < n && is_base64((unsigned char)v[letters]))
        letters++;
    padding = n - letters;
    for (size_t i = letters; i < n; i++)
        if (v[i] != '=')
            return false;
    return letters % 4 != 1 && (padding == 0 || (padding <= 2 && n % 4 == 0));
}

/* Several values may be joined by commas. */
static bool binaries_valid(const char *v, size_t n)
{
    const char *end = v + n, *comma;

    for (;; v = comma + 1) {
        comma = memchr(v, ',', (size_t)(end - v));
        if (!comma)
            return binary_valid(v, (size_t)(end - v));
        if (!binary_valid(v, (size_t)(comma - v)))
            return false;
    }
}

int request_header(struct stream *s, const uint8_t *name, size_t name_size, const uint8_t *value,
                   size_t value_size)
{
    uint64_t max = s->connection->transport->limits->max_headers_bytes;
    const char *v = (const char *)value;

    s->header_bytes += name_size + value_size + 32;
    if (s->header_bytes > GROSS * max)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (s->header_bytes > max || s->begun) /* too large, or trailers: nothing in them matters */
        return 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].size == name_size && memcmp(known[i].name, name, name_size) == 0) {
            known[i].take(s, v, value_size);
            return 0;
        }
    if (name_size > 4 && memcmp(name + name_size - 4, "-bin", 4) == 0)
        s->metadata_bad |= !binaries_valid(v, value_size);
    return 0;
}

/* The first thing that is wrong, as status and sentence; ST_OK if nothing is. */
static enum status judge(struct stream *s, int *http, struct error *e)
{
    uint64_t max = s->connection->transport->limits->max_headers_bytes;

    *http = 200;
    if (s->header_bytes > max)
        return error_set(e, ST_EXHAUSTED,
                         "the headers take %llu bytes, and max_headers_bytes is %llu",
                         (unsigned long long)s->header_bytes, (unsigned long long)max);
    *http = 405;
    if (!s->post)
        return error_set(e, ST_INTERNAL, "the method is not POST");
    *http = 415;
    if (!s->grpc)
        return error_set(e, ST_INTERNAL, "the content-type is not application/grpc");
    *http = 400;
    if (s->timeout_bad)
        return error_set(e, ST_INTERNAL, "malformed grpc-timeout");
    if (s->metadata_bad)
        return error_set(e, ST_INTERNAL, "malformed binary metadata");
    *http = 200;
    if (!s->call.rpc)
        return error_set(
            e, ST_UNIMPLEMENTED, "no method %s",
            QUOTE_N(s->path ? s->path : "", s->path_size < PATH_KEPT ? s->path_size : PATH_KEPT));
    if (s->encoding_unknown)
        return error_set(e, ST_UNIMPLEMENTED, "only the identity encoding is spoken here");
    if (s->timed && s->timeout_us == 0)
        return error_set(e, ST_DEADLINE, "deadline exceeded");
    return ST_OK;
}

void request_begin(struct stream *s)
{
    struct transport *t = s->connection->transport;
    struct error e;
    int http;
    enum status st = judge(s, &http, &e);

    s->begun = true;
    s->call.id = ++t->next_call_id;
    call_map_add(&t->calls, s);
    if (!s->call.rpc)
        s->call.rpc = t->worker->server->unknown;
    if (s->timed && __builtin_add_overflow(s->call.start_us, s->timeout_us, &s->call.deadline_us))
        s->call.deadline_us = UINT64_MAX;
    if (st != ST_OK)
        reply_refuse(s, http, st, e.text);
}
