/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a lookup call: found in the worker's catalog, waited for, entered and left. */
#include "daemon/lookup_call.h"

#include "base/clock.h"
#include "daemon/call.h"
#include "daemon/counters.h"
#include "daemon/names.h"
#include "daemon/server.h"

enum status lookup_tables_compare(struct lookup_call *c, struct error *e)
{
    size_t count = c->request.count;
    uint32_t *first = arena_alloc(&c->call->arena, count, sizeof *first);
    enum status st;

    if (!first)
        return error_memory(e, "the call's tables");
    st = names_compare(first, count ? &c->request.lookup->table : NULL, sizeof *c->request.lookup,
                       count, &c->call->arena, e);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < count; i++) {
        c->part[i].first = first[i];
        c->part[first[i]].shared |= first[i] != i;
    }
    return ST_OK;
}

static void leave(struct lookup_call *c, struct part *p)
{
    if (p->inside)
        gate_leave(&p->entry->gate, c->call->worker->index, c->stays);
    p->inside = false;
}

void lookup_tables_leave(struct lookup_call *c)
{
    for (size_t i = 0; c->part && i < c->request.count; i++)
        leave(c, &c->part[i]);
}

void lookup_tables_pass(struct lookup_call *c, size_t i)
{
    if (!c->part[i].shared)
        leave(c, &c->part[i]);
}

void lookup_tables_find(struct lookup_call *c)
{
    const struct catalog *catalog = c->call->worker->catalog;

    if (c->catalog == catalog->number)
        return;
    for (size_t i = 0; i < c->request.count; i++) {
        const struct bytes *name = &c->request.lookup[i].table;
        struct part *p = &c->part[i], *first = &c->part[p->first];
        struct entry *entry =
            p == first ? catalog_find(catalog, name->data, name->size) : first->entry;

        /* An entry that we are inside of cannot have been freed, and another one made there. */
        if (first->inside && p->entry == entry)
            continue;
        leave(c, p);
        p->entry = entry;
        p->slot = entry ? entry->slot : SLOT_NONE;
        p->ready = false;
    }
    c->catalog = catalog->number;
}

bool lookup_tables_late(struct lookup_call *c)
{
    bool late = false;

    for (size_t i = 0; i < c->request.count; i++) {
        struct entry *entry = c->part[i].entry;
        uint64_t version = c->request.lookup[i].min_version;

        if (!entry || atomic_load(&entry->version) >= version)
            continue;
        gate_wait(&entry->gate, c->call->worker->index);
        late = late || atomic_load(&entry->version) < version;
    }
    return late;
}

static void out_of_patience(evutil_socket_t fd, short what, void *arg)
{
    struct lookup_call *c = arg;
    struct error e;

    (void)fd, (void)what;
    for (size_t i = 0; i < c->request.count; i++) {
        const struct entry *entry = c->part[i].entry;
        uint64_t asked = c->request.lookup[i].min_version, version = entry ? entry->version : 0;

        if (!entry || version >= asked)
            continue;
        (void)!error_set(&e, ST_UNAVAILABLE, "version %llu was asked for, the table is at %llu",
                         (unsigned long long)asked, (unsigned long long)version);
        lookup_fail(c, i, ST_UNAVAILABLE, &e);
        return;
    }
    /* They have all been reached just now: the mail that says so is on its way. */
}

void lookup_tables_wait(struct lookup_call *c)
{
    struct worker *w = c->call->worker;
    uint64_t us = w->server->limits.max_wait_us;
    struct timeval tv = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)};
    struct error e;

    lookup_tables_leave(c);
    if (w->draining) {
        call_fail(c->call, error_set(&e, ST_UNAVAILABLE, "the daemon is stopping"), &e);
        return;
    }
    if (!c->patience)
        c->patience = evtimer_new(w->base, out_of_patience, c);
    if (!c->patience || (!evtimer_pending(c->patience, NULL) && evtimer_add(c->patience, &tv))) {
        call_fail(c->call, error_memory(&e, "a timer"), &e);
        return;
    }
    worker_wait(w, &c->waiter);
}

bool lookup_tables_enter(struct lookup_call *c, bool stays)
{
    struct worker *w = c->call->worker;

    if (c->patience)
        evtimer_del(c->patience);
    if (c->stays != stays)
        lookup_tables_leave(c);
    c->stays = stays;
    for (size_t i = 0; i < c->request.count; i++) {
        struct part *p = &c->part[i];

        if (p->first != i || p->inside)
            continue;
        p->inside = gate_enter(&p->entry->gate, w->index, stays);
        if (!p->inside) {
            worker_wait(w, &c->waiter);
            return false;
        }
    }
    return true;
}

bool lookup_tables_wanted(const struct lookup_call *c)
{
    for (size_t i = 0; i < c->request.count; i++)
        if (c->part[i].inside && gate_wanted(&c->part[i].entry->gate))
            return true;
    return false;
}

void lookup_tables_done(struct lookup_call *c)
{
    worker_unwait(c->call->worker, &c->waiter);
    if (c->patience)
        event_free(c->patience);
    lookup_tables_leave(c);
}
