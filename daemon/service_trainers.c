/* SPDX-License-Identifier: Apache-2.0 */
/* Embedding.Position and Forget: orders to the writer, who owns the positions of trainers. */
#include <string.h>

#include "base/text.h"
#include "daemon/call.h"
#include "daemon/counters.h"
#include "daemon/order.h"
#include "daemon/push.h"
#include "daemon/services.h"
#include "daemon/server.h"
#include "daemon/worker.h"
#include "daemon/writer.h"
#include "proto/embd.pb-c.h"
#include "storage/push_body.h"

static void send_order(struct call *call, enum order_kind kind, const char *trainer,
                       void (*answer)(struct call *call, const struct order *o))
{
    struct order *o;
    struct error e;
    enum status st;

    if (!trainer_valid(trainer, strlen(trainer)))
        st = error_set(&e, ST_INVALID, "%s is no name of a trainer", QUOTE(trainer));
    else
        st = order_new(&o, kind, trainer, NULL, &e);
    if (st != ST_OK) {
        call_fail(call, st, &e);
        return;
    }
    o->by = BY_CALL;
    o->worker = call->worker;
    o->call_id = call->id;
    o->answer = answer;
    writer_order(call->worker->server->writer, o);
}

static void position_answer(struct call *call, const struct order *o)
{
    Embd__V1__PositionResponse reply = EMBD__V1__POSITION_RESPONSE__INIT;

    reply.sequence = o->version;
    if (o->status == ST_OK)
        service_reply(call, &reply.base);
    else
        call_fail(call, o->status, &o->error);
}

static void position_message(struct call *call, const unsigned char *data, size_t n)
{
    const Embd__V1__PositionRequest *request =
        service_unpack(call, &embd__v1__position_request__descriptor, data, n);

    if (request)
        send_order(call, ORDER_POSITION, request->trainer, position_answer);
}

static void forget_answer(struct call *call, const struct order *o)
{
    Embd__V1__ForgetResponse reply = EMBD__V1__FORGET_RESPONSE__INIT;

    reply.sequence = o->version;
    reply.lsn = o->lsn;
    if (o->status == ST_OK)
        service_reply(call, &reply.base);
    else
        call_fail(call, o->status, &o->error);
}

static void forget_message(struct call *call, const unsigned char *data, size_t n)
{
    const Embd__V1__ForgetRequest *request =
        service_unpack(call, &embd__v1__forget_request__descriptor, data, n);

    if (request)
        send_order(call, ORDER_FORGET_TRAINER, request->trainer, forget_answer);
}

const struct rpc rpc_position = {.path = "/embd.v1.Embedding/Position",
                                 .name = "Position",
                                 .index = CALL_POSITION,
                                 .message = position_message,
                                 .done = service_done};
const struct rpc rpc_forget = {.path = "/embd.v1.Embedding/Forget",
                               .name = "Forget",
                               .index = CALL_FORGET,
                               .message = forget_message,
                               .done = service_done};
