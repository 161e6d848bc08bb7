/* SPDX-License-Identifier: Apache-2.0 */
/* Unary calls of commands. */
#include "client/embctl/remote.h"

#include <string.h>

#include "base/memory.h"
#include "client/embctl/print.h"
#include "proto/capped.h"

/* The daemon is trusted more than a peer of the daemon: statistics unpack to many times their size.
 */
#define ARENA_CAP ((size_t)1 << 30)
#define REPLY_MAX ((uint64_t)256 << 20)

enum status remote_open(struct remote *r, const struct arguments *a, struct error *e)
{
    embd_client_options options = {
        .timeout_ms = a->timeout_ms, .connect_ms = a->timeout_ms, .max_reply_bytes = REPLY_MAX};

    if (r->patient && !options.timeout_ms)
        options.timeout_ms = -1;

    arena_init(&r->arena, ARENA_CAP);
    r->client = NULL;
    return (enum status)embd_client_open(&r->client, a->server, &options, e->text);
}

void remote_close(struct remote *r)
{
    embd_client_close(r->client);
    arena_done(&r->arena);
}

void remote_forget(struct remote *r)
{
    arena_reset(&r->arena);
}

enum status remote_call(struct remote *r, const char *path, const ProtobufCMessage *request,
                        const ProtobufCMessageDescriptor *kind, void *reply, struct error *e)
{
    size_t n = protobuf_c_message_get_packed_size(request);
    uint8_t *packed = need(n);
    void *data = NULL;
    enum status st;

    protobuf_c_message_pack(request, packed);
    st = (enum status)embd_client_unary(r->client, path, packed, n, 0, &data, &n, e->text);
    mem_free(packed);
    if (st == ST_OK)
        st = proto_unpack((ProtobufCMessage **)reply, kind, data, n, &r->arena, e);
    embd_client_free(data);
    return st;
}

int remote_ask(struct remote *r, const struct arguments *a, const char *path,
               const ProtobufCMessage *request, const ProtobufCMessageDescriptor *kind, void *reply)
{
    struct error e;
    enum status st = remote_open(r, a, &e);

    if (st != ST_OK)
        return usage_error(a, "%s", e.text);
    st = remote_call(r, path, request, kind, reply, &e);
    return st == ST_OK ? EXIT_DONE : fail(&e);
}
