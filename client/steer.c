/* SPDX-License-Identifier: Apache-2.0 */
/* Calls about trainers and snapshots: small messages, by protobuf-c. Owned by the thread that uses
   the client. */
#include <string.h>

#include "base/memory.h"
#include "client/client.h"
#include "proto/capped.h"
#include "proto/embd.pb-c.h"

#define REPLY_ROOM 65536 /* bytes that an answer takes when unpacked, at most */

/* One call; the reply is in the arena, which is to be released in any case. */
static enum status ask(embd_client *client, const char *path, int64_t timeout_ms,
                       const ProtobufCMessage *request, const ProtobufCMessageDescriptor *kind,
                       void *reply, struct arena *arena, struct error *e)
{
    size_t n = protobuf_c_message_get_packed_size(request);
    uint8_t *packed = mem_alloc(n);
    void *data = NULL;
    enum status st;

    arena_init(arena, REPLY_ROOM);
    if (!packed)
        return error_memory(e, "request");
    protobuf_c_message_pack(request, packed);
    st = (enum status)embd_client_unary(client, path, packed, n, timeout_ms, &data, &n, e->text);
    mem_free(packed);
    if (st == ST_OK)
        st = proto_unpack(reply, kind, data, n, arena, e);
    embd_client_free(data);
    return st;
}

/* protobuf-c knows no const. */
static char *text(const char *s)
{
    return (char *)(uintptr_t)(s ? s : "");
}

int embd_client_position(embd_client *client, const char *trainer, uint64_t *sequence, char *error)
{
    Embd__V1__PositionRequest request = EMBD__V1__POSITION_REQUEST__INIT;
    Embd__V1__PositionResponse *reply;
    struct arena arena;
    struct error e;
    enum status st;

    request.trainer = text(trainer);
    st = ask(client, "/embd.v1.Embedding/Position", 0, &request.base,
             &embd__v1__position_response__descriptor, &reply, &arena, &e);
    if (st == ST_OK)
        *sequence = reply->sequence;
    arena_done(&arena);
    return client_result(st, &e, error);
}

int embd_client_forget(embd_client *client, const char *trainer, uint64_t *sequence, char *error)
{
    Embd__V1__ForgetRequest request = EMBD__V1__FORGET_REQUEST__INIT;
    Embd__V1__ForgetResponse *reply;
    struct arena arena;
    struct error e;
    enum status st;

    request.trainer = text(trainer);
    st = ask(client, "/embd.v1.Embedding/Forget", 0, &request.base,
             &embd__v1__forget_response__descriptor, &reply, &arena, &e);
    if (st == ST_OK && sequence)
        *sequence = reply->sequence;
    arena_done(&arena);
    return client_result(st, &e, error);
}

int embd_client_save(embd_client *client, const char *table, int64_t timeout_ms,
                     embd_snapshot *snapshot, char *error)
{
    Embd__V1__SaveRequest request = EMBD__V1__SAVE_REQUEST__INIT;
    Embd__V1__SaveResponse *reply;
    struct arena arena;
    struct error e;
    enum status st;

    request.table = text(table);
    st = ask(client, "/embd.v1.Tables/Save", timeout_ms, &request.base,
             &embd__v1__save_response__descriptor, &reply, &arena, &e);
    if (st == ST_OK && !reply->snapshot)
        st = error_set(&e, ST_INTERNAL, "the daemon's answer describes no snapshot");
    if (st == ST_OK && snapshot)
        *snapshot =
            (embd_snapshot){reply->snapshot->version, reply->snapshot->lsn, reply->snapshot->bytes,
                            reply->snapshot->whole, reply->snapshot->time_us};
    arena_done(&arena);
    return client_result(st, &e, error);
}

int embd_client_restore(embd_client *client, const char *table, uint64_t version,
                        int64_t timeout_ms, uint64_t *now, char *error)
{
    Embd__V1__RestoreRequest request = EMBD__V1__RESTORE_REQUEST__INIT;
    Embd__V1__RestoreResponse *reply;
    struct arena arena;
    struct error e;
    enum status st;

    request.table = text(table);
    request.version = version;
    st = ask(client, "/embd.v1.Tables/Restore", timeout_ms, &request.base,
             &embd__v1__restore_response__descriptor, &reply, &arena, &e);
    if (st == ST_OK && now)
        *now = reply->version;
    arena_done(&arena);
    return client_result(st, &e, error);
}
