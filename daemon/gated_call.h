/* SPDX-License-Identifier: Apache-2.0 */
/* A unary call about one table, answered from the table as a lookup would see it: inside its gate.
   On the worker's thread. */
#pragma once

#include "daemon/call.h"
#include "daemon/worker.h"

struct entry;

struct gated_call {
    struct call *call;
    const void *request; /* the rpc's own message */
    const char *table;   /* its name, in the message */
    unsigned slot;
    struct waiter waiter;
    /* The table is there, and cannot change until gated_leave(), which this calls before it answers
       the call. */
    void (*answer)(struct gated_call *c, struct entry *entry);
};

/* Go on as soon as the table's gate lets us in. A table that is not there, or damaged, fails the
   call. The request lives as long as the call. */
void gated_begin(struct call *call, const void *request, const char *table,
                 void (*answer)(struct gated_call *c, struct entry *entry));
void gated_leave(struct gated_call *c, struct entry *entry);
/* For rpc->done: stop waiting, and count the call. */
void gated_done(struct call *call, enum status st);
