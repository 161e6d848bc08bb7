/* SPDX-License-Identifier: Apache-2.0 */
/* Tables.Save and Restore: orders to the writer. */
#include "base/clock.h"
#include "daemon/counters.h"
#include "daemon/services.h"
#include "daemon/table_call.h"
#include "daemon/table_info.h"
#include "proto/embd.pb-c.h"

static void save_answer(struct call *call, const struct order *o)
{
    Embd__V1__SaveResponse reply = EMBD__V1__SAVE_RESPONSE__INIT;
    Embd__V1__SnapshotInfo info;

    if (o->status != ST_OK) {
        call_fail(call, o->status, &o->error);
        return;
    }
    snapshot_info(&info, &o->saved);
    reply.snapshot = &info;
    reply.us = clock_now_us() - o->start_us;
    service_reply(call, &reply.base);
}

static void save_message(struct call *call, const unsigned char *data, size_t n)
{
    const Embd__V1__SaveRequest *request =
        service_unpack(call, &embd__v1__save_request__descriptor, data, n);

    if (request && table_call_begin(call, request->table))
        table_call_order(call, request->table, ORDER_SAVE, false, 0, save_answer);
}

static void restore_answer(struct call *call, const struct order *o)
{
    Embd__V1__RestoreResponse reply = EMBD__V1__RESTORE_RESPONSE__INIT;

    if (o->status != ST_OK) {
        call_fail(call, o->status, &o->error);
        return;
    }
    reply.version = o->version;
    reply.lsn = o->lsn;
    service_reply(call, &reply.base);
}

static void restore_message(struct call *call, const unsigned char *data, size_t n)
{
    const Embd__V1__RestoreRequest *request =
        service_unpack(call, &embd__v1__restore_request__descriptor, data, n);

    if (request && table_call_begin(call, request->table))
        table_call_order(call, request->table, ORDER_RESTORE, false, request->version,
                         restore_answer);
}

const struct rpc rpc_save = {.path = "/embd.v1.Tables/Save",
                             .name = "Save",
                             .index = CALL_SAVE,
                             .message = save_message,
                             .done = table_call_done};
const struct rpc rpc_restore = {.path = "/embd.v1.Tables/Restore",
                                .name = "Restore",
                                .index = CALL_RESTORE,
                                .message = restore_message,
                                .done = table_call_done};
