/* SPDX-License-Identifier: Apache-2.0 */
/* What calls about groups and checkpoints share: their orders to the writer end with them, and they
   are counted as calls about no table. On the worker's thread. */
#pragma once

#include "daemon/call.h"
#include "daemon/order.h"

/* Send the order; it is the call's state from then on, so that a call that ends can end it. */
void group_call_send(struct call *call, struct order *o,
                     void (*answer)(struct call *call, const struct order *o));
/* rpc.done */
void group_call_done(struct call *call, enum status st);

/* ST_INVALID for what is no label. */
MUST_CHECK enum status group_call_label(const char *label, struct error *e);
/* Hold what the order of `n` tables takes, so many bytes each, against the limits, before it is
   made. */
MUST_CHECK enum status group_call_size(struct call *call, size_t n, size_t bytes, struct error *e);
/* Memory for `n` elements that lives as long as the call; NULL if there is none. */
void *group_call_room(struct call *call, size_t n, size_t bytes);
/* There was none for the reply: the call is over. */
void group_call_no_memory(struct call *call);
