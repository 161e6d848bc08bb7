/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/group_call.h"

#include <string.h>

#include "base/text.h"
#include "daemon/config.h"
#include "daemon/server.h"
#include "daemon/services.h"
#include "daemon/worker.h"
#include "daemon/writer.h"

void group_call_send(struct call *call, struct order *o,
                     void (*answer)(struct call *call, const struct order *o))
{
    o->by = BY_CALL;
    o->worker = call->worker;
    o->call_id = call->id;
    o->answer = answer;
    call->state = order_ref(o);
    writer_order(call->worker->server->writer, o);
}

void group_call_done(struct call *call, enum status st)
{
    struct order *o = call->state;

    if (o) {
        atomic_store(&o->cancelled, true); /* without effect if it is done */
        order_unref(o);
    }
    service_done(call, st);
}

enum status group_call_label(const char *label, struct error *e)
{
    if (table_name_valid(label, strlen(label)))
        return ST_OK;
    return error_set(e, ST_INVALID,
                     "%s is no label for a checkpoint: 1 to 128 of [A-Za-z0-9_.-], "
                     "not beginning with a dot",
                     QUOTE(label));
}

void *group_call_room(struct call *call, size_t n, size_t bytes)
{
    call->arena.cap += n * bytes + 64;
    return arena_alloc(&call->arena, n, bytes);
}

void group_call_no_memory(struct call *call)
{
    struct error e;

    call_fail(call, error_memory(&e, "the reply"), &e);
}

enum status group_call_size(struct call *call, size_t n, size_t bytes, struct error *e)
{
    const struct config *config = call->worker->server->config;

    if (n > config->max_tables)
        return error_set(e, ST_EXHAUSTED, "the call names %zu tables, max_tables is %llu", n,
                         (unsigned long long)config->max_tables);
    if (!call_charge(call, n * bytes))
        return error_set(e, ST_EXHAUSTED,
                         "no room for the %zu tables of the call now (max_inflight_bytes is %llu)",
                         n, (unsigned long long)config->max_inflight_bytes);
    return ST_OK;
}
