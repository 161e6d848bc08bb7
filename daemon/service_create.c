/* SPDX-License-Identifier: Apache-2.0 */
/* Tables.Create: an order to the writer, like a load whose file has yet to be made. */
#include <string.h>

#include "base/text.h"
#include "daemon/counters.h"
#include "daemon/creation.h"
#include "daemon/server.h"
#include "daemon/services.h"
#include "daemon/table_call.h"
#include "daemon/worker.h"

#define OPTIMIZER "rowwise_adagrad" /* if nothing is said: it suits every method */

static void create_answer(struct call *call, const struct order *o)
{
    Embd__V1__CreateResponse reply = EMBD__V1__CREATE_RESPONSE__INIT;
    Embd__V1__TableInfo info = EMBD__V1__TABLE_INFO__INIT;
    const struct entry *entry;

    if (o->status != ST_OK) {
        call_fail(call, o->status, &o->error);
        return;
    }
    entry = table_call_made(call, o, &info);
    if (entry && entry->table)
        reply.config = entry->table->config;
    reply.table = &info;
    reply.lsn = o->lsn;
    service_reply(call, &reply.base);
}

static enum status create_order(struct order **out, const Embd__V1__CreateRequest *request,
                                struct error *e)
{
    enum status st;

    if (!table_name_valid(request->table, strlen(request->table)))
        return error_set(e, ST_INVALID, "%s is no name for a table", QUOTE(request->table));
    st = order_new(out, ORDER_LOAD, request->table, NULL, e);
    if (st != ST_OK)
        return st;
    st = table_settings_set(&(*out)->settings, "optimizer", OPTIMIZER, e);
    if (st == ST_OK)
        st = table_call_options(*out, request->options, request->n_options, e);
    if (st == ST_OK)
        st = creation_new(&(*out)->creation, request, e);
    if (st != ST_OK)
        order_unref(*out);
    return st;
}

static void create_message(struct call *call, const unsigned char *data, size_t n)
{
    const Embd__V1__CreateRequest *request =
        service_unpack(call, &embd__v1__create_request__descriptor, data, n);
    struct order *o;
    struct error e;
    enum status st;

    if (!request || !table_call_begin(call, request->table))
        return;
    st = create_order(&o, request, &e);
    if (st == ST_OK)
        table_call_send(call, o, create_answer);
    else
        call_fail(call, st, &e);
}

const struct rpc rpc_create = {.path = "/embd.v1.Tables/Create",
                               .name = "Create",
                               .index = CALL_CREATE,
                               .message = create_message,
                               .done = table_call_done};
