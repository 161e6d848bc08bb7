/* SPDX-License-Identifier: Apache-2.0 */
/* Orders about checkpoints: their life, whose turn it is, and the two that need nothing but the
   folder. */
#include "daemon/group.h"

#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/config.h"
#include "daemon/server.h"
#include "daemon/thread.h"
#include "daemon/writer_parts.h"

enum status group_new(struct order **out, enum order_kind kind, const char *label, size_t count,
                      struct error *e)
{
    struct order *o;
    enum status st = order_new(&o, kind, label, NULL, e);

    if (st != ST_OK)
        return st;
    o->group = mem_zero(1, sizeof *o->group);
    st = o->group ? group_room(o->group, count, e) : error_memory(e, "order");
    if (st != ST_OK) {
        order_unref(o);
        return st;
    }
    *out = o;
    return ST_OK;
}

enum status group_room(struct group *g, size_t count, struct error *e)
{
    mem_free(g->name);
    mem_free(g->load);
    g->name = mem_zero(count, sizeof *g->name);
    g->load = mem_zero(count, sizeof(struct order *));
    g->count = count;
    return g->name && g->load ? ST_OK : error_memory(e, "order");
}

void group_free(struct group *g)
{
    if (!g)
        return;
    for (size_t i = 0; g->load && i < g->count; i++)
        order_unref(g->load[i]);
    checkpoint_done(&g->checkpoint);
    if (g->listed)
        checkpoints_free(g->list, g->listed);
    mem_free(g->keep);
    mem_free(g->snapshot);
    mem_free(g->load);
    mem_free(g->name);
    mem_free(g);
}

/* ---- Labels ---- */

enum status label_take(struct writer *w, struct order *o, struct error *e)
{
    for (const struct order *other = w->labels; other; other = other->group->next)
        if (!strcmp(other->name, o->name))
            return error_set(e, ST_ABORTED,
                             "checkpoint %s is being saved, restored or dropped by somebody else",
                             QUOTE(o->name));
    o->group->next = w->labels;
    w->labels = o;
    return ST_OK;
}

void label_leave(struct writer *w, struct order *o)
{
    struct order **link = &w->labels;

    while (*link && *link != o)
        link = &(*link)->group->next;
    if (*link)
        *link = o->group->next;
}

/* ---- The folder ---- */

static void next_job(struct writer *w);

static void job_done(struct mail *mail, void *receiver)
{
    struct order *o = (struct order *)mail;
    struct writer *w = receiver;

    w->folder_jobs = o->next;
    o->group->done(w, o);
    next_job(w);
}

static void *run_job(void *order)
{
    struct order *o = order;

    o->group->run(o);
    mailbox_send(o->group->back, &o->mail);
    return NULL;
}

static void next_job(struct writer *w)
{
    struct order *o = w->folder_jobs;
    enum status st;

    if (!o || o->group->back)
        return;
    o->group->back = &w->mailbox;
    o->mail.deliver = job_done;
    st = thread_start(NULL, "embd-checkpoint", run_job, o, &o->error);
    if (st == ST_OK)
        return;
    o->status = st; /* as if it had come back with that */
    mailbox_send(&w->mailbox, &o->mail);
}

void folder_job(struct writer *w, struct order *o, void (*run)(struct order *o),
                void (*done)(struct writer *w, struct order *o))
{
    struct order **last = &w->folder_jobs;

    o->group->run = run;
    o->group->done = done;
    o->group->back = NULL;
    o->group->data_dir = w->server->config->data_dir;
    o->group->most = w->server->config->max_checkpoints;
    while (*last)
        last = &(*last)->next;
    o->next = NULL;
    *last = o;
    next_job(w);
}

/* ---- Groups and DropGroup ---- */

static void answer(struct writer *w, struct order *o)
{
    label_leave(w, o);
    order_answer(o, o->status);
}

static void run_list(struct order *o)
{
    struct group *g = o->group;

    o->status = checkpoint_list(&g->list, &g->listed, g->data_dir, &o->error);
}

void group_list(struct writer *w, struct order *o)
{
    folder_job(w, o, run_list, answer);
}

static void run_drop(struct order *o)
{
    o->status = checkpoint_drop(o->group->data_dir, o->name, &o->error);
}

static void dropped(struct writer *w, struct order *o)
{
    if (o->status == ST_OK)
        log_info("checkpoint dropped label=%s", o->name);
    answer(w, o);
}

void group_drop(struct writer *w, struct order *o)
{
    enum status st = label_take(w, o, &o->error);

    if (st == ST_OK)
        folder_job(w, o, run_drop, dropped);
    else
        order_answer(o, st);
}

void groups_stop(struct writer *w)
{
    for (struct order *o = w->labels; o; o = o->group->next)
        atomic_store(&o->cancelled, true);
    group_saves_stop(w);
}
