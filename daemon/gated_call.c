/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/gated_call.h"

#include <string.h>

#include "base/text.h"
#include "daemon/counters.h"
#include "daemon/services.h"

static struct entry *find(const struct gated_call *c)
{
    return catalog_find(c->call->worker->catalog, c->table, strlen(c->table));
}

/* The writer may be writing a push just now: then once more when it is done. */
static void go_on(struct gated_call *c)
{
    struct worker *w = c->call->worker;
    struct entry *entry = find(c);
    struct error e;

    if (!entry)
        call_fail(c->call, error_set(&e, ST_NOT_FOUND, "no such table: %s", QUOTE(c->table)), &e);
    else if (!entry->table)
        call_fail(c->call, error_set(&e, ST_DATA_LOSS, "%s", entry->trouble), &e);
    else if (gate_enter(&entry->gate, w->index, false))
        c->answer(c, entry);
    else
        worker_wait(w, &c->waiter);
}

static void wake(struct waiter *waiter)
{
    go_on((struct gated_call *)((char *)waiter - offsetof(struct gated_call, waiter)));
}

void gated_begin(struct call *call, const void *request, const char *table,
                 void (*answer)(struct gated_call *c, struct entry *entry))
{
    struct gated_call *c = arena_zero(&call->arena, 1, sizeof *c);
    const struct entry *entry;
    struct error e;

    if (!c) {
        call_fail(call, error_memory(&e, "the call"), &e);
        return;
    }
    c->call = call;
    c->request = request;
    c->table = table;
    c->waiter.wake = wake;
    c->answer = answer;
    entry = find(c);
    c->slot = entry ? entry->slot : SLOT_NONE;
    call->state = c;
    go_on(c);
}

void gated_leave(struct gated_call *c, struct entry *entry)
{
    gate_leave(&entry->gate, c->call->worker->index, false);
}

void gated_done(struct call *call, enum status st)
{
    struct gated_call *c = call->state;

    if (c)
        worker_unwait(call->worker, &c->waiter);
    service_count(call, c ? c->slot : SLOT_ANY, st);
}
