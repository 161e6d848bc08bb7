/* SPDX-License-Identifier: Apache-2.0 */
/* Which rows of the log may go: those that no table needs any more, since its older snapshot has
   them. The writer's. */
#include <errno.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/memory.h"
#include "daemon/config.h"
#include "daemon/keep.h"
#include "daemon/server.h"
#include "daemon/writer_parts.h"

/* A table that is damaged, or was unloaded before it could be saved. Its rows are all that is left
   of its last pushes. */
struct hold {
    struct hold *next;
    char name[TABLE_NAME_MAX + 1];
    uint64_t generation, version; /* of the content that the rows go on from */
    uint64_t lsn;
};

enum status holds_add(struct writer *w, const char *name, uint64_t generation, uint64_t version,
                      uint64_t lsn, struct error *e)
{
    struct hold *h;

    for (h = w->holds; h; h = h->next)
        if (!strcmp(h->name, name)) {
            h->lsn = lsn < h->lsn ? lsn : h->lsn;
            return ST_OK;
        }
    h = mem_zero(1, sizeof *h);
    if (!h)
        return error_memory(e, "tables that hold the log");
    memcpy(h->name, name, strlen(name) + 1);
    h->generation = generation;
    h->version = version;
    h->lsn = lsn;
    h->next = w->holds;
    w->holds = h;
    return ST_OK;
}

static void drop(struct writer *w, const char *name, const struct keep *k)
{
    for (struct hold **link = &w->holds, *h; (h = *link); link = &h->next) {
        if (strcmp(h->name, name))
            continue;
        if (k && h->generation == k->entry->generation && h->version >= k->since)
            return;
        *link = h->next;
        mem_free(h);
        return;
    }
}

void holds_saved(struct writer *w, const struct keep *k)
{
    if (k->lineage[0].exists && k->lineage[1].exists)
        drop(w, k->entry->name, k);
}

void holds_forget(struct writer *w, const char *name)
{
    drop(w, name, NULL);
}

void holds_done(struct writer *w)
{
    struct hold *h;

    while ((h = w->holds)) {
        w->holds = h->next;
        mem_free(h);
    }
}

uint64_t log_hold_most(const struct writer *w)
{
    uint64_t first, last;

    if (!w->registry || registry_bytes(w->registry) <= w->config->log_save_bytes)
        return 0;
    first = registry_first(w->registry);
    last = registry_lsn(w->registry);
    return first + (last - first) / 2 + 1;
}

void log_front(struct writer *w)
{
    uint64_t front;

    if (!w->registry || w->troubled)
        return;
    front = registry_lsn(w->registry);
    for (const struct hold *h = w->holds; h; h = h->next)
        if (h->lsn <= front)
            front = h->lsn - 1;
    for (size_t i = 0; i < w->catalog->count; i++) {
        const struct keep *k = w->catalog->entry[i]->keep;
        uint64_t hold = k ? keep_hold(k) : 0;

        if (hold && hold <= front)
            front = hold - 1;
    }
    w->front = front;
    w->step_due = true;
}

bool log_turn(struct writer *w, bool idle)
{
    bool more = false, due = idle || w->step_due;
    struct error e;
    enum status st;

    if (!w->registry || w->troubled || w->front <= registry_first(w->registry))
        return false;
    /* A writer that never rests still has to keep the log from growing. */
    if (!due && registry_bytes(w->registry) <= w->config->log_save_bytes)
        return false;
    w->step_due = false;
    if (FAILPOINT("shorten.step"))
        st = error_errno(&e, errno, "cannot shorten the log");
    else
        st = registry_shorten(w->registry, w->front, &more, &e);
    if (st != ST_OK && !w->shorten_failed)
        log_warn("the log was not shortened, which is tried again error=%s", e.text);
    w->shorten_failed = st != ST_OK;
    if (st != ST_OK)
        w->front = 0; /* until the next second */
    return st == ST_OK && more;
}
