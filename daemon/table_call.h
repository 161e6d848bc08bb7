/* SPDX-License-Identifier: Apache-2.0 */
/* What calls about one table share: they are counted under it, and their orders to the writer end
   with them. On the worker's thread. */
#pragma once

#include "daemon/call.h"
#include "daemon/order.h"
#include "proto/embd.pb-c.h"

/* The call's state, kept for table_call_done(). */
struct table_call {
    const char *name;
    unsigned slot;       /* when the call came; SLOT_NONE: not served then */
    struct order *order; /* under way */
};

/* Begin a call about the table of that name, which has to live as long; NULL when out of memory,
   and then the call is over. */
struct table_call *table_call_begin(struct call *call, const char *name);
/* Send an order; the call's state keeps a reference, so that a call that ends can end it. */
void table_call_send(struct call *call, struct order *o,
                     void (*answer)(struct call *call, const struct order *o));
/* Make an order about a served table and send it. */
void table_call_order(struct call *call, const char *name, enum order_kind kind, bool forget,
                      uint64_t at, void (*answer)(struct call *call, const struct order *o));
/* The options of a table that a request brings, each once, into the order's settings. */
MUST_CHECK enum status table_call_options(struct order *o, Embd__V1__TableOption *const *option,
                                          size_t n, struct error *e);
/* The order of one LoadRequest. */
MUST_CHECK enum status table_call_load(struct order **out, const Embd__V1__LoadRequest *request,
                                       const char *import_dir, struct error *e);
/* The table that an order has brought about, as the worker sees it now; its entry, or NULL if it
   was unloaded again by now. */
const struct entry *table_call_made(const struct call *call, const struct order *o,
                                    Embd__V1__TableInfo *info);
/* rpc.done: count it. */
void table_call_done(struct call *call, enum status st);
