/* SPDX-License-Identifier: Apache-2.0 */
/* The service Tables: List and Describe are answered from the worker's own catalog, Load and Unload
   are orders to the writer. */
#include <string.h>

#include "base/text.h"
#include "daemon/config.h"
#include "daemon/counters.h"
#include "daemon/server.h"
#include "daemon/services.h"
#include "daemon/table_call.h"
#include "daemon/table_info.h"
#include "daemon/worker.h"
#include "proto/embd.pb-c.h"

static void list_message(struct call *call, const unsigned char *data, size_t n)
{
    const struct catalog *c = call->worker->catalog;
    Embd__V1__ListResponse reply = EMBD__V1__LIST_RESPONSE__INIT;
    Embd__V1__TableInfo *info;
    struct error e;

    if (!service_unpack(call, &embd__v1__list_request__descriptor, data, n))
        return;
    call->arena.cap += c->count * (sizeof *info + sizeof *reply.tables + 64);
    info = arena_alloc(&call->arena, c->count, sizeof *info);
    reply.tables = arena_alloc(&call->arena, c->count, sizeof *reply.tables);
    if (!info || !reply.tables) {
        call_fail(call, error_memory(&e, "the reply"), &e);
        return;
    }
    for (size_t i = 0; i < c->count; i++) {
        table_info(&info[i], c->entry[i]);
        reply.tables[i] = &info[i];
    }
    reply.n_tables = c->count;
    reply.lsn = service_lsn(call);
    service_reply(call, &reply.base);
}

static void describe_message(struct call *call, const unsigned char *data, size_t n)
{
    const Embd__V1__DescribeRequest *request =
        service_unpack(call, &embd__v1__describe_request__descriptor, data, n);
    Embd__V1__DescribeResponse reply;
    Embd__V1__TableInfo info;
    const struct entry *entry;
    struct error e;
    enum status st;

    if (!request || !table_call_begin(call, request->table))
        return;
    entry = catalog_find(call->worker->catalog, request->table, strlen(request->table));
    if (!entry)
        st = error_set(&e, ST_NOT_FOUND, "no such table: %s", QUOTE(request->table));
    else
        st = table_describe(&reply, &info, entry, &call->arena, &e);
    if (st == ST_OK)
        service_reply(call, &reply.base);
    else
        call_fail(call, st, &e);
}

/* ---- Orders ---- */

static void load_answer(struct call *call, const struct order *o)
{
    Embd__V1__LoadResponse reply = EMBD__V1__LOAD_RESPONSE__INIT;
    Embd__V1__TableInfo info = EMBD__V1__TABLE_INFO__INIT;

    if (o->status != ST_OK) {
        call_fail(call, o->status, &o->error);
        return;
    }
    (void)table_call_made(call, o, &info);
    reply.table = &info;
    reply.lsn = o->lsn;
    service_reply(call, &reply.base);
}

static void load_message(struct call *call, const unsigned char *data, size_t n)
{
    const Embd__V1__LoadRequest *request =
        service_unpack(call, &embd__v1__load_request__descriptor, data, n);
    struct order *o;
    struct error e;
    enum status st;

    if (!request || !table_call_begin(call, request->table))
        return;
    st = table_call_load(&o, request, call->worker->server->config->import_dir, &e);
    if (st == ST_OK)
        table_call_send(call, o, load_answer);
    else
        call_fail(call, st, &e);
}

static void unload_answer(struct call *call, const struct order *o)
{
    Embd__V1__UnloadResponse reply = EMBD__V1__UNLOAD_RESPONSE__INIT;

    if (o->status != ST_OK) {
        call_fail(call, o->status, &o->error);
        return;
    }
    reply.lsn = o->lsn;
    reply.version = o->version;
    service_reply(call, &reply.base);
}

static void unload_message(struct call *call, const unsigned char *data, size_t n)
{
    const Embd__V1__UnloadRequest *request =
        service_unpack(call, &embd__v1__unload_request__descriptor, data, n);

    if (request && table_call_begin(call, request->table))
        table_call_order(call, request->table, ORDER_UNLOAD, request->forget, 0, unload_answer);
}

const struct rpc rpc_list = {.path = "/embd.v1.Tables/List",
                             .name = "List",
                             .index = CALL_LIST,
                             .message = list_message,
                             .done = service_done};
const struct rpc rpc_describe = {.path = "/embd.v1.Tables/Describe",
                                 .name = "Describe",
                                 .index = CALL_DESCRIBE,
                                 .message = describe_message,
                                 .done = table_call_done};
const struct rpc rpc_load = {.path = "/embd.v1.Tables/Load",
                             .name = "Load",
                             .index = CALL_LOAD,
                             .message = load_message,
                             .done = table_call_done};
const struct rpc rpc_unload = {.path = "/embd.v1.Tables/Unload",
                               .name = "Unload",
                               .index = CALL_UNLOAD,
                               .message = unload_message,
                               .done = table_call_done};
