/* SPDX-License-Identifier: Apache-2.0 */
/* How a new catalog comes to everybody who reads one. The writer's; during start the main thread's,
   when there are no readers yet. */
#include "daemon/publish.h"

#include "base/memory.h"
#include "daemon/control.h"
#include "daemon/discard.h"
#include "daemon/keep.h"
#include "daemon/server.h"
#include "daemon/slots.h"
#include "daemon/worker.h"
#include "daemon/writer_parts.h"

struct publication;

/* One reader's word that it has taken the catalog. */
struct taken {
    struct mail mail;
    struct publication *publication;
};

struct publication {
    struct publication *next;
    struct writer *writer;
    struct catalog *old; /* in use by readers that have not taken the new one */
    struct order *order;
    struct retired *gone;     /* what leaves with the old catalog */
    struct retired *spare;    /* for more of them */
    struct catalog_view view; /* for the main thread */
    unsigned missing;         /* readers that have not taken it */
    struct taken taken[];     /* one a worker, and the main thread's */
};

/* An entry that no catalog holds any more. */
struct retired {
    struct retired *next;
    struct entry *entry;
};

static void free_all(struct retired *list)
{
    while (list) {
        struct retired *r = list;

        list = r->next;
        mem_free(r);
    }
}

enum status publication_new(struct publication **out, struct writer *w, size_t most,
                            struct error *e)
{
    struct publication *p =
        mem_zero(1, sizeof *p + (w->server->worker_count + 1) * sizeof p->taken[0]);

    if (!p)
        return error_memory(e, "new catalog");
    for (size_t i = 0; i < most; i++) {
        struct retired *r = mem_zero(1, sizeof *r);

        if (!r) {
            publication_free(p);
            return error_memory(e, "new catalog");
        }
        r->next = p->spare;
        p->spare = r;
    }
    p->writer = w;
    *out = p;
    return ST_OK;
}

void publication_free(struct publication *p)
{
    if (!p)
        return;
    free_all(p->gone);
    free_all(p->spare);
    mem_free(p);
}

void publication_drop(struct publication *p, struct entry *gone)
{
    struct retired *r = p->spare;

    p->spare = r->next;
    r->entry = gone;
    r->next = p->gone;
    p->gone = r;
}

/* All have taken it. */
static void finish(struct publication *p)
{
    struct writer *w = p->writer;
    struct retired *r;

    catalog_free(p->old);
    while ((r = p->gone)) {
        /* No new lookup finds the entry; those that hold it are inside its gate. */
        p->gone = r->next;
        gate_raise(&r->entry->gate);
        r->next = w->retired;
        w->retired = r;
    }
    if (p->order)
        order_answer(p->order, ST_OK);
    publication_free(p);
}

static void deliver_taken(struct mail *mail, void *receiver)
{
    struct publication *p = ((struct taken *)mail)->publication;
    struct writer *w = receiver;

    p->missing--;
    /* Readers take catalogs in order, but not in step: the oldest is done first. */
    while ((p = w->publications) && p->missing == 0) {
        w->publications = p->next;
        finish(p);
    }
}

void publish(struct publication *p, struct catalog *c, struct order *o)
{
    struct writer *w = p->writer;
    struct server *server = w->server;
    struct publication **last = &w->publications;

    p->old = w->catalog;
    p->order = o;
    w->catalog = c;
    if (!w->serving) { /* nobody reads yet */
        finish(p);
        return;
    }
    while (*last)
        last = &(*last)->next;
    *last = p;
    p->missing = server->worker_count + 1;
    for (unsigned i = 0; i <= server->worker_count; i++) {
        p->taken[i].mail.deliver = deliver_taken;
        p->taken[i].publication = p;
    }
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_show_catalog(server->worker[i], c, &w->mailbox, &p->taken[i].mail);
    p->view = (struct catalog_view){.mail.deliver = control_take_catalog,
                                    .catalog = c,
                                    .taken = &p->taken[server->worker_count].mail,
                                    .reply = &w->mailbox};
    mailbox_send(&server->main, &p->view.mail);
}

bool publish_retire(struct writer *w)
{
    struct retired **r = &w->retired, *gone;

    while ((gone = *r)) {
        if (!gate_empty(&gone->entry->gate)) {
            r = &gone->next;
            continue;
        }
        *r = gone->next;
        keep_free(gone->entry->keep);
        discard(entry_end(gone->entry));
        mem_free(gone);
    }
    return w->retired;
}
