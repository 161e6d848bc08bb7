/* SPDX-License-Identifier: Apache-2.0 */
/* The start: trained tables are opened from their snapshots and the log is replayed over them; then
   what the configuration says is done, as a reload would; and the tables that are new, or
   read-only, are loaded from their files. The writer's, while nobody reads yet. */
#include <errno.h>
#include <string.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/config.h"
#include "daemon/keep.h"
#include "daemon/server.h"
#include "daemon/writer_parts.h"

static enum status go_on(struct writer *w, struct error *e)
{
    struct opening *o = &w->server->opening;

    atomic_fetch_add(&o->done, 1);
    return atomic_load(&o->cancelled) ? error_set(e, ST_CANCELLED, "the start was given up")
                                      : ST_OK;
}

/* Serve one table from its file. One that was served before from the same file is served as damaged
   when that cannot be read; anything else that is wrong with a table keeps the daemon from
   starting.
 */
static enum status load_table(struct writer *w, const char *name, const char *file,
                              const struct table_settings *settings, enum registered_by by,
                              struct error *e)
{
    const struct registered *r = w->registry ? registry_find(w->registry, name) : NULL;
    bool known = !w->registry || (r && r->served && !strcmp(r->file, file));
    struct order *o;
    enum status st = reconcile_order(&o, name, file, settings, by, w->config, e);

    if (st != ST_OK)
        return st;
    st = loads_now(w, o, true, e);
    if (st == ST_OK)
        return go_on(w, e); /* the order went with it */
    if (known && !o->opened && st != ST_CANCELLED)
        st = serve_damaged(w, o, &o->error, e);
    else
        st = error_prefix(e, st, "table %s", name);
    order_unref(o);
    return st == ST_OK ? go_on(w, e) : st;
}

/* A table that a call loaded, as the log has it. */
static enum status load_registered(struct writer *w, const struct registered *r, struct error *e)
{
    char *name = mem_text(r->name, strlen(r->name)), *file = mem_text(r->file, strlen(r->file));
    struct table_settings settings;
    enum status st = ST_OK;

    if (!name || !file)
        st = error_memory(e, "table");
    else if (table_settings_read(&settings, r->options, e) != ST_OK)
        st = error_prefix(e, ST_PRECONDITION, "table %s", name);
    else
        st = load_table(w, name, file, &settings, BY_CALL, e); /* `r` may be gone afterwards */
    mem_free(name);
    mem_free(file);
    return st;
}

static bool is_trained(const struct registered *r)
{
    return r && r->served && r->trainable;
}

/* ---- Trained tables ---- */

/* A file that was changed is an error before anything is done. */
static enum status check_origins(struct writer *w, struct error *e)
{
    enum status st = ST_OK;
    bool replace;

    for (const struct table_config *t = w->config->tables; t && st == ST_OK; t = t->next) {
        const struct registered *r = registry_find(w->registry, t->name);

        if (is_trained(r) && (r->by == BY_CONFIGURATION || t->replace))
            st = origin_check(w, r, t, &replace, e);
    }
    return st;
}

static enum status revive_all(struct writer *w, struct error *e)
{
    const struct registered *const *list;
    size_t n = registry_list(w->registry, &list);
    enum status st = ST_OK;

    for (size_t i = 0; i < n && st == ST_OK; i++)
        if (is_trained(list[i])) {
            st = revive_table(w, list[i]->name, e);
            if (st == ST_OK)
                st = go_on(w, e);
        }
    return st;
}

/* What the configuration says of a trained table now. */
static enum status apply_config(struct writer *w, const struct table_config *t, struct error *e)
{
    const struct registered *r = registry_find(w->registry, t->name);
    struct entry *entry = catalog_find(w->catalog, t->name, strlen(t->name));
    bool replace;
    enum status st;

    if (w->troubled) /* nothing can be logged, so all stays as it is */
        return ST_OK;
    st = origin_apply(w, entry, r, t, &replace, e);
    if (st == ST_OK && replace)
        st = load_table(w, t->name, t->file, &t->settings, BY_CONFIGURATION, e);
    return st;
}

/* ---- Tables that are gone from the configuration ---- */

/* A trained one is saved first, as in a reload. */
static enum status drop(struct writer *w, const char *name, struct error *e)
{
    struct entry *entry = catalog_find(w->catalog, name, strlen(name));
    struct registered change = {.by = BY_CONFIGURATION};
    struct order *o;
    enum status st = ST_OK;

    if (!entry) { /* there is nothing but the log to change */
        memcpy(change.name, name, strlen(name) + 1);
        st = registry_change(w->registry, CHANGE_UNLOAD, &change, e);
        if (st == ST_OK)
            log_info("table is no longer configured table=%s lsn=%llu", change.name,
                     (unsigned long long)change.lsn);
        return st;
    }
    st = order_new(&o, ORDER_UNLOAD, name, NULL, e);
    if (st != ST_OK)
        return st;
    o->by = BY_CONFIGURATION;
    while (st == ST_OK && entry->keep && !keep_complete(entry->keep))
        st = saves_now(w, entry, e);
    if (st == ST_OK)
        st = serve_stop(w, o, e);
    if (st == ST_OK)
        return ST_OK; /* the order went with it */
    order_unref(o);
    return error_prefix(e, st, "table %s", name);
}

static enum status drop_all(struct writer *w, struct error *e)
{
    enum status st = ST_OK;
    const char *name;

    for (size_t i = 0; !w->troubled && st == ST_OK && (name = reconcile_dropped(w, &i)); i++)
        st = drop(w, name, e);
    return st;
}

/* ---- All ---- */

static enum status start_with_log(struct writer *w, struct error *e)
{
    const struct registered *const *list;
    enum status st;

    opening_phase(&w->server->opening, OPENING_TABLES,
                  w->config->table_count + registry_list(w->registry, &list));
    if ((st = check_origins(w, e)) != ST_OK || (st = revive_all(w, e)) != ST_OK ||
        (st = replay_log(w, e)) != ST_OK)
        return st;
    opening_phase(&w->server->opening, OPENING_TABLES,
                  w->config->table_count + registry_list(w->registry, &list));
    st = drop_all(w, e);
    for (const struct table_config *t = w->config->tables; t && st == ST_OK; t = t->next) {
        const struct registered *r = registry_find(w->registry, t->name);

        if (!reconcile_wants(t, r))
            continue;
        if (is_trained(r))
            st = apply_config(w, t, e);
        else
            st = load_table(w, t->name, t->file, &t->settings, BY_CONFIGURATION, e);
    }
    /* The list holds the same names throughout: loads of known names add none. */
    for (size_t i = 0; st == ST_OK && i < registry_list(w->registry, &list); i++)
        if (list[i]->served && list[i]->by == BY_CALL && !list[i]->trainable)
            st = load_registered(w, list[i], e);
    return st;
}

static enum status start_without_log(struct writer *w, struct error *e)
{
    enum status st = ST_OK;

    opening_phase(&w->server->opening, OPENING_TABLES, w->config->table_count);
    for (const struct table_config *t = w->config->tables; t && st == ST_OK; t = t->next) {
        st = revive_without_log(w, t, e);
        if (st == ST_NOT_FOUND)
            st = load_table(w, t->name, t->file, &t->settings, BY_CONFIGURATION, e);
        else if (st == ST_OK)
            st = go_on(w, e);
    }
    return st;
}

enum status start_tables(struct writer *w, struct error *e)
{
    enum status st = w->registry ? start_with_log(w, e) : start_without_log(w, e);

    if (st == ST_OK && FAILPOINT("start.opened"))
        st = error_errno(e, errno, "the start cannot end");
    return st;
}
