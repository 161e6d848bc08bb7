/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be served: the configuration and the tables loaded by call, less those unloaded by
   call; the last act wins, and the log remembers it. At start on the main thread, at a reload on
   the writer's. */
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/config.h"
#include "daemon/server.h"
#include "daemon/writer_parts.h"

/* Whether the configured table is served from the configuration, given what the log says. */
static bool is_wanted(const struct table_config *t, const struct registered *r)
{
    if (!r || r->by == BY_CONFIGURATION || t->replace)
        return true;
    log_info("a call %s the table since, which goes before the configuration table=%s",
             r->served ? "loaded" : "unloaded", t->name);
    return false;
}

static enum status order_of(struct order **out, const char *name, const char *file,
                            const struct table_settings *settings, enum registered_by by,
                            const struct config *config, struct error *e)
{
    size_t n = strlen(config->import_dir);
    enum status st = order_new(out, ORDER_LOAD, name, file, e);

    if (st != ST_OK)
        return st;
    (*out)->settings = *settings;
    (*out)->replace = true;
    (*out)->by = by;
    (*out)->limits = (struct header_limits){config->max_header_bytes, config->max_header_tokens};
    /* What a call loaded is still held to the folder that calls may load from. */
    if (by == BY_CALL && n && !strncmp(file, config->import_dir, n) && file[n] == '/')
        (*out)->relative = (*out)->file + n + 1;
    return ST_OK;
}

/* Serve one table at start. One that was served before from the same file is served as damaged when
   it cannot be loaded; anything else that is wrong with a table keeps the daemon from starting. */
static enum status start_table(struct writer *w, const char *name, const char *file,
                               const struct table_settings *settings, enum registered_by by,
                               struct error *e)
{
    const struct registered *r = w->registry ? registry_find(w->registry, name) : NULL;
    bool known = !w->registry || (r && r->served && !strcmp(r->file, file));
    struct order *o;
    enum status st = order_of(&o, name, file, settings, by, w->config, e);

    if (st != ST_OK)
        return st;
    st = order_prepare(o, w->registry, w->import_fd);
    if (st == ST_OK) {
        order_load(o);
        st = o->status;
    }
    if (st == ST_OK) {
        st = serve_table(w, o, e);
        if (st == ST_OK)
            return ST_OK; /* the order went with it */
    } else if (known) {
        st = serve_damaged(w, o, &o->error, e);
    } else {
        st = error_set(e, st, "table %s: %s", name, o->error.text);
    }
    order_unref(o);
    return st;
}

/* A table that a call loaded, as the log has it. */
static enum status start_loaded(struct writer *w, const struct registered *r, struct error *e)
{
    char *name = mem_text(r->name, strlen(r->name)), *file = mem_text(r->file, strlen(r->file));
    struct table_settings settings;
    enum status st = ST_OK;

    if (!name || !file)
        st = error_memory(e, "table");
    else if (table_settings_read(&settings, r->options, e) != ST_OK)
        st = error_prefix(e, ST_PRECONDITION, "table %s", name);
    else
        st = start_table(w, name, file, &settings, BY_CALL, e); /* `r` may be gone afterwards */
    mem_free(name);
    mem_free(file);
    return st;
}

static enum status stop_table(struct writer *w, const char *name, bool reload, struct error *e)
{
    struct order *o;
    enum status st = order_new(&o, ORDER_UNLOAD, name, NULL, e);

    if (st != ST_OK)
        return st;
    o->by = BY_CONFIGURATION;
    o->reload = reload;
    st = serve_stop(w, o, e);
    if (st != ST_OK)
        order_unref(o);
    return st;
}

/* The name of a table that is served from the configuration in the log and is no longer in the
   configuration, from place `*i` of the list on; NULL if there is none. */
static const char *next_dropped(const struct writer *w, size_t *i)
{
    const struct registered *const *list;
    size_t n = registry_list(w->registry, &list);

    for (; *i < n; ++*i)
        if (list[*i]->served && list[*i]->by == BY_CONFIGURATION &&
            !config_table_find(w->config, list[*i]->name))
            return list[*i]->name;
    return NULL;
}

/* The log's word about tables that are gone from the configuration, at start: they are not served
   yet, so there is nothing but the log to change. */
static enum status drop_at_start(struct writer *w, struct error *e)
{
    struct registered change;
    enum status st = ST_OK;
    const char *name;

    for (size_t i = 0; st == ST_OK && (name = next_dropped(w, &i)); i++) {
        change = (struct registered){.by = BY_CONFIGURATION};
        memcpy(change.name, name, sizeof change.name);
        st = registry_change(w->registry, CHANGE_UNLOAD, &change, e);
        if (st == ST_OK)
            log_info("table is no longer configured table=%s lsn=%llu", change.name,
                     (unsigned long long)change.lsn);
    }
    return st;
}

enum status reconcile_at_start(struct writer *w, struct error *e)
{
    const struct registered *const *list;
    enum status st = w->registry ? drop_at_start(w, e) : ST_OK;

    for (const struct table_config *t = w->config->tables; t && st == ST_OK; t = t->next)
        if (is_wanted(t, w->registry ? registry_find(w->registry, t->name) : NULL))
            st = start_table(w, t->name, t->file, &t->settings, BY_CONFIGURATION, e);
    /* The list holds the same names throughout: loads of known names add none. */
    for (size_t i = 0; w->registry && st == ST_OK && i < registry_list(w->registry, &list); i++)
        if (list[i]->served && list[i]->by == BY_CALL)
            st = start_loaded(w, list[i], e);
    return st;
}

/* Whether the table is served from just that file, as it is on disk now. */
static bool is_up_to_date(const struct writer *w, const struct table_config *t)
{
    const struct registered *r = registry_find(w->registry, t->name);
    const struct entry *entry = catalog_find(w->catalog, t->name, strlen(t->name));
    struct file_identity now;
    char options[TABLE_SETTINGS_JSON];

    return r && r->by == BY_CONFIGURATION && entry && entry->table &&
           !table_damaged(entry->table) && !strcmp(r->file, t->file) &&
           !strcmp(r->options, table_settings_write(&t->settings, options)) &&
           file_identify(&now, t->file, NULL) == ST_OK &&
           now.device == entry->table->identity.device &&
           now.inode == entry->table->identity.inode && now.size == entry->table->identity.size &&
           now.mtime_ns == entry->table->identity.mtime_ns;
}

static void reload_table(struct writer *w, const struct table_config *t)
{
    struct order *o;
    struct error e;

    if (order_of(&o, t->name, t->file, &t->settings, BY_CONFIGURATION, w->config, &e) != ST_OK) {
        w->reload_failed++;
        log_error("table stays as it was table=%s error=%s", t->name, e.text);
        return;
    }
    o->reload = true;
    loads_begin(w, o);
}

void reconcile_now(struct writer *w)
{
    const char *name;
    struct error e;

    if (writer_writable(w, &e) != ST_OK) {
        log_error("the tables stay as they are error=%s", e.text);
        return;
    }
    w->reload_done = w->reload_failed = w->reload_unloaded = 0;
    for (size_t i = 0; (name = next_dropped(w, &i)); i++) {
        if (stop_table(w, name, true, &e) == ST_OK) {
            w->reload_unloaded++;
        } else {
            w->reload_failed++;
            log_error("table stays as it was error=%s", e.text);
        }
    }
    /* The report comes when the last load of this reload, or of one before it, is done. */
    for (const struct table_config *t = w->config->tables; t; t = t->next)
        if (is_wanted(t, registry_find(w->registry, t->name)) && !is_up_to_date(w, t))
            reload_table(w, t);
    w->reloading = true;
    loads_next(w);
}

void reconcile_report(struct writer *w)
{
    w->reloading = false;
    log_info("configuration reloaded loaded=%u unloaded=%u failed=%u tables=%zu", w->reload_done,
             w->reload_unloaded, w->reload_failed, w->catalog->count);
}
