/* SPDX-License-Identifier: Apache-2.0 */
/* Loads under way: checked when they come, opened by a few loaders in turn, served when they are
   back. The writer's. */
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "daemon/config.h"
#include "daemon/server.h"
#include "daemon/writer_parts.h"

/* Loads run by the disk and one thread each; more at a time would only compete. */
#define LOADERS 2

static void append(struct order **list, struct order *o)
{
    while (*list)
        list = &(*list)->next;
    o->next = NULL;
    *list = o;
}

static bool is_listed(const struct order *list, const char *name)
{
    while (list && strcmp(list->name, name))
        list = list->next;
    return list;
}

/* The load is over without success. */
static void give_up(struct writer *w, struct order *o, enum status st)
{
    static struct log_limit limit; /* a peer can cause these at will */

    if (o->reload) {
        w->reload_failed++;
        log_error("table stays as it was table=%s error=%s", o->name, o->error.text);
    } else if (st != ST_CANCELLED) {
        log_limited(&limit, 5, LOG_INFO, "load refused table=%s file=%s status=%s error=%s",
                    o->name, QUOTE(o->file), status_name(st), o->error.text);
    }
    order_answer(o, st);
}

static enum status check(struct writer *w, struct order *o)
{
    const char *name = o->name;
    enum status st = writer_writable(w, &o->error);

    if (st != ST_OK)
        return st;
    if (!o->replace && catalog_find(w->catalog, name, strlen(name)))
        return error_set(&o->error, ST_EXISTS, "table %s is served already", QUOTE(name));
    if (is_listed(w->waiting, name) || is_listed(w->running, name))
        return error_set(&o->error, ST_ABORTED, "table %s is being loaded by somebody else",
                         QUOTE(name));
    if (o->by == BY_CALL && w->call_loads >= w->server->config->max_loads)
        return error_set(&o->error, ST_EXHAUSTED,
                         "%u tables are being loaded, and max_loads is %llu", w->call_loads,
                         (unsigned long long)w->server->config->max_loads);
    if (o->relative && w->import_fd < 0)
        return error_set(&o->error, ST_PRECONDITION,
                         "no import_dir is configured, so calls cannot load files");
    return ST_OK;
}

static void loaded(struct mail *mail, void *receiver)
{
    struct order *o = (struct order *)mail, **link;
    struct writer *w = receiver;
    enum status st = o->status;

    for (link = &w->running; *link != o; link = &(*link)->next)
        ;
    *link = o->next;
    w->running_count--;
    w->call_loads -= o->by == BY_CALL;
    w->reload_loads -= o->reload;
    if (atomic_load(&o->cancelled))
        st = error_set(&o->error, ST_CANCELLED, "the load was given up");
    /* What the name was when the load began it need not be any more. */
    if (st == ST_OK && !o->replace && catalog_find(w->catalog, o->name, strlen(o->name)))
        st = error_set(&o->error, ST_EXISTS, "table %s is served already", QUOTE(o->name));
    if (st == ST_OK)
        st = writer_writable(w, &o->error);
    if (st == ST_OK) {
        bool reload = o->reload;

        st = serve_table(w, o, &o->error);
        w->reload_done += st == ST_OK && reload;
    }
    if (st != ST_OK)
        give_up(w, o, st);
    loads_next(w);
}

void loads_begin(struct writer *w, struct order *o)
{
    enum status st = check(w, o);

    if (st != ST_OK) {
        give_up(w, o, st);
        return;
    }
    o->limits = (struct header_limits){w->server->config->max_header_bytes,
                                       w->server->config->max_header_tokens};
    o->back = &w->mailbox;
    w->call_loads += o->by == BY_CALL;
    w->reload_loads += o->reload;
    append(&w->waiting, o);
    loads_next(w);
}

void loads_next(struct writer *w)
{
    struct order *o;
    enum status st;

    while (w->waiting && w->running_count < LOADERS) {
        o = w->waiting;
        w->waiting = o->next;
        append(&w->running, o);
        w->running_count++;
        st = order_prepare(o, w->registry, w->import_fd);
        if (st == ST_OK)
            st = order_load_elsewhere(o, loaded);
        if (st != ST_OK) { /* as if it had come back with that */
            o->status = st;
            o->mail.deliver = loaded;
            mailbox_send(&w->mailbox, &o->mail);
        }
    }
    if (w->reloading && !w->reload_loads)
        reconcile_report(w);
}

void loads_stop(struct writer *w)
{
    for (struct order *o = w->waiting; o; o = o->next)
        atomic_store(&o->cancelled, true);
    for (struct order *o = w->running; o; o = o->next)
        atomic_store(&o->cancelled, true);
}
