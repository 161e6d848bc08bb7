/* SPDX-License-Identifier: Apache-2.0 */
/* The methods that the daemon answers, and what their services share. All of it runs on the
   worker's thread that owns the call. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "base/status.h"
#include "daemon/call.h"

struct config;

extern const struct rpc rpc_lookup;
extern const struct rpc rpc_push, rpc_push_stream;
extern const struct rpc rpc_position, rpc_forget;
extern const struct rpc rpc_list, rpc_describe, rpc_load, rpc_unload, rpc_save, rpc_restore;
extern const struct rpc rpc_create, rpc_explain, rpc_counts;
extern const struct rpc rpc_save_group, rpc_restore_group, rpc_load_group, rpc_groups;
extern const struct rpc rpc_drop_group;
extern const struct rpc rpc_stats_query;
extern const struct rpc rpc_health_check, rpc_health_list, rpc_health_watch;
extern const struct rpc rpc_reflection, rpc_reflection_v1alpha;
/* Stands for the methods that do not exist; counts calls of them. */
extern const struct rpc rpc_unknown;

/* The methods under that configuration, NULL at the end. */
const struct rpc *const *services_rpcs(const struct config *config);

/* Unpack a request into the call's arena; NULL if it is refused, and then the call is over. */
void *service_unpack(struct call *call, const ProtobufCMessageDescriptor *type, const void *data,
                     size_t n);
/* A message as a block for call_reply(), counted against the limits: ST_EXHAUSTED if it is larger
   than max_reply_bytes, or there is no room for it now. */
MUST_CHECK enum status service_build(struct block **out, struct call *call,
                                     const ProtobufCMessage *message, struct error *e);
/* Answer with a message, unless service_build() refuses it. Ends the call. */
void service_reply(struct call *call, const ProtobufCMessage *message);
/* A message as a block for call_reply() or call_send(); NULL when out of memory. Any thread. */
struct block *service_pack(const ProtobufCMessage *message);
/* The position in the log of what the call sees: of its worker's catalog, and of pushes. */
uint64_t service_lsn(const struct call *call);
/* rpc.done of methods that are about no table: count the call. */
void service_done(struct call *call, enum status st);
/* Count a call that is about the table of that slot. */
void service_count(struct call *call, unsigned slot, enum status st);

/* By the main thread when server->ready or server->draining has changed: those who watch the health
   are told. */
struct server;
void health_changed(struct server *server);
