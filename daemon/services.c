/* SPDX-License-Identifier: Apache-2.0 */
/* The list of methods, and what services share: reading requests, packing answers, counting. */
#include "daemon/services.h"

#include "base/clock.h"
#include "daemon/config.h"
#include "daemon/counters.h"
#include "daemon/server.h"
#include "daemon/worker.h"
#include "proto/capped.h"
#include "proto/grpc.h"

#define ALWAYS                                                                                     \
    &rpc_lookup, &rpc_push, &rpc_push_stream, &rpc_position, &rpc_forget, &rpc_list,               \
        &rpc_describe, &rpc_load, &rpc_unload, &rpc_save, &rpc_restore, &rpc_create, &rpc_explain, \
        &rpc_save_group, &rpc_restore_group, &rpc_load_group, &rpc_groups, &rpc_drop_group,        \
        &rpc_counts, &rpc_stats_query, &rpc_health_check, &rpc_health_list, &rpc_health_watch

const struct rpc *const *services_rpcs(const struct config *config)
{
    static const struct rpc *const some[] = {ALWAYS, NULL};
    static const struct rpc *const all[] = {ALWAYS, &rpc_reflection, &rpc_reflection_v1alpha, NULL};

    return config->reflection ? all : some;
}

void *service_unpack(struct call *call, const ProtobufCMessageDescriptor *type, const void *data,
                     size_t n)
{
    size_t cap = call->arena.used + proto_cap(n);
    ProtobufCMessage *message;
    struct error e;
    enum status st;

    if (call->arena.cap < cap)
        call->arena.cap = cap;
    st = proto_unpack(&message, type, data, n, &call->arena, &e);
    if (st != ST_OK) {
        call_fail(call, st, &e);
        return NULL;
    }
    return message;
}

struct block *service_pack(const ProtobufCMessage *message)
{
    struct block *b = call_message_new(protobuf_c_message_get_packed_size(message));

    if (b)
        protobuf_c_message_pack(message, b->data + GRPC_PREFIX);
    return b;
}

enum status service_build(struct block **out, struct call *call, const ProtobufCMessage *message,
                          struct error *e)
{
    const struct limits *limits = &call->worker->server->limits;
    size_t n = protobuf_c_message_get_packed_size(message);

    if (n > limits->max_reply_bytes)
        return error_set(e, ST_EXHAUSTED, "the reply would have %zu bytes, max_reply_bytes is %llu",
                         n, (unsigned long long)limits->max_reply_bytes);
    if (!call_charge(call, n))
        return error_set(e, ST_EXHAUSTED,
                         "no room for a reply of %zu bytes now (max_inflight_bytes is %llu)", n,
                         (unsigned long long)limits->max_inflight_bytes);
    *out = service_pack(message);
    return *out ? ST_OK : error_memory(e, "the reply");
}

void service_reply(struct call *call, const ProtobufCMessage *message)
{
    struct block *b;
    struct error e;
    enum status st = service_build(&b, call, message, &e);

    if (st == ST_OK)
        call_reply(call, b);
    else
        call_fail(call, st, &e);
}

uint64_t service_lsn(const struct call *call)
{
    uint64_t lsn = atomic_load(&call->worker->server->lsn);

    return lsn > call->worker->catalog->lsn ? lsn : call->worker->catalog->lsn;
}

void service_count(struct call *call, unsigned slot, enum status st)
{
    counters_record(call->worker->counters, slot, call->rpc->index, st, 0, 0,
                    clock_now_us() - call->start_us);
}

void service_done(struct call *call, enum status st)
{
    service_count(call, SLOT_ANY, st);
}

const struct rpc rpc_unknown = {
    .path = "", .name = "?", .index = CALL_UNKNOWN, .done = service_done};
