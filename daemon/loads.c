/* SPDX-License-Identifier: Apache-2.0 */
/* Loads under way: checked when they come, opened by a few loaders in turn, served when they are
   back. The writer's. */
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/config.h"
#include "daemon/creation.h"
#include "daemon/server.h"
#include "daemon/writer_parts.h"
#include "storage/checkpoint.h"

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

/* Let pushes come again to the table that was to be replaced. */
static void release(struct writer *w, struct order *o)
{
    struct entry *entry = catalog_find(w->catalog, o->name, strlen(o->name));

    if (o->holds && entry)
        entry->refusal = NULL;
    o->holds = false;
}

/* A first snapshot that no row of the log speaks of goes, unless its row may come back. */
static void withdraw(struct writer *w, struct order *o)
{
    struct error e;

    if (!w->registry || registry_trouble(w->registry, NULL) != ST_OK)
        return;
    if (order_withdraw(o, &e) != ST_OK)
        log_warn("the snapshot of a table that was not loaded stays table=%s error=%s", o->name,
                 e.text);
}

/* The load is over without success. */
static void give_up(struct writer *w, struct order *o, enum status st)
{
    static struct log_limit limit; /* a peer can cause these at will */

    loads_undo(w, o);
    if (o->reload) {
        w->reload_failed++;
        log_error("table stays as it was table=%s error=%s", o->name, o->error.text);
    } else if (st != ST_CANCELLED && o->kind == ORDER_RESTORE) { /* which names no file */
        log_limited(&limit, 5, LOG_INFO,
                    "restore refused table=%s version=%" PRIu64 " status=%s error=%s", o->name,
                    o->at, status_name(st), o->error.text);
    } else if (st != ST_CANCELLED) {
        log_limited(&limit, 5, LOG_INFO, "%s refused table=%s file=%s status=%s error=%s",
                    o->creation ? "create" : "load", o->name, QUOTE(o->file ? o->file : ""),
                    status_name(st), o->error.text);
    }
    order_answer(o, st);
}

bool loads_busy(const struct writer *w, const char *name)
{
    return is_listed(w->waiting, name) || is_listed(w->running, name) || is_listed(w->held, name);
}

enum status loads_check(struct writer *w, struct order *o)
{
    const char *name = o->name;
    const struct entry *entry = catalog_find(w->catalog, name, strlen(name));
    enum status st = writer_writable(w, &o->error);

    if (st != ST_OK)
        return st;
    if (o->kind == ORDER_RESTORE && !o->source && !entry)
        return error_set(&o->error, ST_NOT_FOUND, "no such table: %s", QUOTE(name));
    if (o->kind == ORDER_RESTORE && !o->source && !registry_find(w->registry, name)->trainable)
        return error_set(&o->error, ST_PRECONDITION, "table %s is read-only: it has no snapshots",
                         name);
    if (o->kind == ORDER_LOAD && !o->replace && entry)
        return error_set(&o->error, ST_EXISTS, "table %s is served already", QUOTE(name));
    if (entry && entry->refusal && !o->holds)
        return error_set(&o->error, ST_ABORTED, "table %s %s", QUOTE(name), entry->refusal);
    if (loads_busy(w, name))
        return error_set(&o->error, ST_ABORTED, "table %s is being loaded by somebody else",
                         QUOTE(name));
    if (o->worker && w->call_loads >= w->server->config->max_loads)
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
    w->call_loads -= o->worker != NULL;
    w->reload_loads -= o->reload;
    if (order_cancelled(o))
        st = error_set(&o->error, ST_CANCELLED, "the load was given up");
    if (o->whole) {
        o->status = st;
        group_load_back(w, o);
        loads_next(w);
        return;
    }
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

void loads_add(struct writer *w, struct order *o)
{
    o->limits = (struct header_limits){w->server->config->max_header_bytes,
                                       w->server->config->max_header_tokens};
    o->back = &w->mailbox;
    append(&w->waiting, o);
}

void loads_undo(struct writer *w, struct order *o)
{
    release(w, o);
    withdraw(w, o);
}

void loads_begin(struct writer *w, struct order *o)
{
    enum status st = loads_check(w, o);

    if (st != ST_OK) {
        give_up(w, o, st);
        return;
    }
    w->call_loads += o->worker != NULL;
    w->reload_loads += o->reload;
    loads_add(w, o);
    loads_next(w);
}

/* Where the first snapshot belongs, if the table should be trained. */
static enum status place(struct writer *w, struct order *o)
{
    const struct registered *r = registry_find(w->registry, o->name);
    const struct entry *entry = catalog_find(w->catalog, o->name, strlen(o->name));

    o->folder = writer_folder(w, o->name);
    if (!o->folder)
        return error_memory(&o->error, "table");
    o->replaces = r && r->served;
    o->generation = o->replaces ? r->generation : registry_lives(w->registry, o->name) + 1;
    o->old = entry ? entry->version : o->replaces ? r->version : 0;
    o->since = o->replaces ? r->version : 0;
    return ST_OK;
}

/* The restored table is registered as it was. */
static enum status prepare_restore(struct writer *w, struct order *o)
{
    const struct registered *r = registry_find(w->registry, o->name);

    if (!r || !r->served)
        return error_set(&o->error, ST_NOT_FOUND, "no such table: %s", QUOTE(o->name));
    o->file = mem_text(r->file, strlen(r->file));
    if (!o->file)
        return error_memory(&o->error, "table");
    o->by = r->by;
    o->identity = r->identity;
    o->checksum = r->checksum;
    o->header_hash = r->header_hash;
    return o->resets ? ST_OK : table_settings_read(&o->settings, r->options, &o->error);
}

/* Out of a checkpoint, whatever the name stands for now. A trained table with the same optimizer
   goes on as it was registered; else the configuration has no say in it any more. */
static enum status prepare_source(struct writer *w, struct order *o)
{
    const struct registered *r = registry_find(w->registry, o->name);
    struct optimizer_settings now, then;
    bool same = false;

    if (r && r->served && r->trainable && table_settings_trained(&now, r->options, NULL) == ST_OK) {
        same = table_settings_trained(&then, o->source->options, NULL) == ST_OK &&
               now.optimizer == then.optimizer;
        if (same)
            optimizer_settings_done(&then);
        optimizer_settings_done(&now);
    }
    o->file = same ? mem_text(r->file, strlen(r->file)) : writer_folder(w, o->name);
    if (!o->file)
        return error_memory(&o->error, "table");
    o->by = same ? r->by : BY_CALL;
    if (same) {
        o->identity = r->identity;
        o->checksum = r->checksum;
        o->header_hash = r->header_hash;
    }
    return table_settings_read(&o->settings, o->source->options, &o->error);
}

/* There is no file to look at. The table lives in its folder, and that is what it is known by. */
static enum status prepare_creation(struct writer *w, struct order *o)
{
    o->file = writer_folder(w, o->name);
    o->path = creation_path(w->server->config->data_dir, o->name);
    o->most = w->server->config->max_create_bytes;
    return o->file && o->path ? ST_OK : error_memory(&o->error, "table");
}

/* What the writer alone can say. From here on the table stays as it is until the load is over. */
static enum status prepare(struct writer *w, struct order *o)
{
    struct entry *entry = catalog_find(w->catalog, o->name, strlen(o->name));
    enum status st = o->source                  ? prepare_source(w, o)
                     : o->kind == ORDER_RESTORE ? prepare_restore(w, o)
                     : o->creation              ? prepare_creation(w, o)
                                                : order_prepare(o, w->registry, w->import_fd);

    if (st == ST_OK && w->registry)
        st = place(w, o);
    if (st == ST_OK && entry && entry->training) {
        entry->refusal = o->kind == ORDER_RESTORE ? "is being restored" : "is being replaced";
        o->holds = true;
    }
    return st;
}

/* The oldest load whose table's folder nobody writes to. */
static struct order *take_next(struct writer *w)
{
    struct order **link = &w->waiting, *o;

    while ((o = *link)) {
        const struct entry *entry = catalog_find(w->catalog, o->name, strlen(o->name));

        if (!entry || !saves_busy(entry->keep)) {
            *link = o->next;
            return o;
        }
        link = &o->next;
    }
    return NULL;
}

void loads_next(struct writer *w)
{
    struct order *o;
    enum status st;

    while (w->running_count < LOADERS && (o = take_next(w))) {
        append(&w->running, o);
        w->running_count++;
        st = order_cancelled(o) ? ST_CANCELLED : prepare(w, o);
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

enum status loads_now(struct writer *w, struct order *o, bool keep, struct error *e)
{
    enum status st;

    o->limits = (struct header_limits){w->config->max_header_bytes, w->config->max_header_tokens};
    o->opening = &w->server->opening;
    st = prepare(w, o);
    if (st == ST_OK) {
        order_load(o);
        st = o->status;
    }
    if (st == ST_OK)
        st = serve_table(w, o, &o->error);
    if (st == ST_OK)
        return ST_OK;
    release(w, o);
    withdraw(w, o);
    *e = o->error;
    o->status = st;
    if (!keep)
        order_unref(o);
    return st;
}

void loads_stop(struct writer *w)
{
    for (struct order *o = w->waiting; o; o = o->next)
        atomic_store(&o->cancelled, true);
    for (struct order *o = w->running; o; o = o->next)
        atomic_store(&o->cancelled, true);
}
