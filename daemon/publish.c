/* SPDX-License-Identifier: Apache-2.0 */
/* How a new catalog comes to everybody who reads one. The writer's; during start the main thread's,
   when there are no readers yet. */
#include "daemon/publish.h"

#include "base/memory.h"
#include "daemon/control.h"
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
    struct retired *retired;
    struct catalog_view view; /* for the main thread */
    unsigned missing;         /* readers that have not taken it */
    struct taken taken[];     /* one a worker, and the main thread's */
};

/* An entry that no catalog holds any more. */
struct retired {
    struct retired *next;
    struct entry *entry;
};

enum status publication_new(struct publication **out, struct writer *w, struct error *e)
{
    struct publication *p =
        mem_zero(1, sizeof *p + (w->server->worker_count + 1) * sizeof p->taken[0]);

    if (p)
        p->retired = mem_zero(1, sizeof *p->retired);
    if (!p || !p->retired) {
        mem_free(p);
        return error_memory(e, "new catalog");
    }
    p->writer = w;
    *out = p;
    return ST_OK;
}

void publication_free(struct publication *p)
{
    if (!p)
        return;
    mem_free(p->retired);
    mem_free(p);
}

/* All have taken it. */
static void finish(struct publication *p)
{
    struct writer *w = p->writer;

    catalog_free(p->old);
    if (p->retired->entry) {
        /* No new lookup finds the entry; those that hold it are inside its gate. */
        gate_raise(&p->retired->entry->gate);
        p->retired->next = w->retired;
        w->retired = p->retired;
        p->retired = NULL;
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

void publish(struct publication *p, struct catalog *c, struct entry *gone, struct order *o)
{
    struct writer *w = p->writer;
    struct server *server = w->server;
    struct publication **last = &w->publications;

    p->old = w->catalog;
    p->order = o;
    p->retired->entry = gone;
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
        entry_free(gone->entry);
        mem_free(gone);
    }
    return w->retired;
}
