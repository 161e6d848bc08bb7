/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be served: the configuration and the tables loaded by call, less those unloaded by
   call; the last act wins, and the log remembers it. This is the reload; start.c is the start. The
   writer's. */
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/config.h"
#include "daemon/server.h"
#include "daemon/writer_parts.h"

bool reconcile_wants(const struct table_config *t, const struct registered *r)
{
    if (!r || r->by == BY_CONFIGURATION || t->replace)
        return true;
    log_info("a call %s the table since, which goes before the configuration table=%s",
             r->served ? "loaded" : "unloaded", t->name);
    return false;
}

enum status reconcile_order(struct order **out, const char *name, const char *file,
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

static enum status stop_table(struct writer *w, const char *name, struct error *e)
{
    struct order *o;
    enum status st = order_new(&o, ORDER_UNLOAD, name, NULL, e);

    if (st != ST_OK)
        return st;
    o->by = BY_CONFIGURATION;
    o->reload = true;
    st = stop_begin(w, o, e);
    if (st != ST_OK)
        order_unref(o);
    return st;
}

const char *reconcile_dropped(const struct writer *w, size_t *i)
{
    const struct registered *const *list;
    size_t n = registry_list(w->registry, &list);

    for (; *i < n; ++*i)
        if (list[*i]->served && list[*i]->by == BY_CONFIGURATION &&
            !config_table_find(w->config, list[*i]->name))
            return list[*i]->name;
    return NULL;
}

/* Whether the table is served from just that file, as it is on disk now. */
static bool is_up_to_date(const struct writer *w, const struct table_config *t)
{
    const struct registered *r = registry_find(w->registry, t->name);
    const struct entry *entry = catalog_find(w->catalog, t->name, strlen(t->name));
    struct file_identity now;
    struct table_settings settings;

    return r && r->by == BY_CONFIGURATION && entry && entry->table &&
           !table_damaged(entry->table) && !strcmp(r->file, t->file) &&
           table_settings_read(&settings, r->options, NULL) == ST_OK &&
           table_settings_same(&settings, &t->settings) &&
           file_identify(&now, t->file, NULL) == ST_OK &&
           now.device == entry->table->identity.device &&
           now.inode == entry->table->identity.inode && now.size == entry->table->identity.size &&
           now.mtime_ns == entry->table->identity.mtime_ns;
}

static void reload_table(struct writer *w, const struct table_config *t)
{
    struct order *o;
    struct error e;

    if (reconcile_order(&o, t->name, t->file, &t->settings, BY_CONFIGURATION, w->config, &e) !=
        ST_OK) {
        w->reload_failed++;
        log_error("table stays as it was table=%s error=%s", t->name, e.text);
        return;
    }
    o->reload = true;
    loads_begin(w, o);
}

/* A trainable table goes on as it is, with other options if they have changed; another file is
   taken only if that is asked for. */
static void reload_trainable(struct writer *w, const struct registered *r,
                             const struct table_config *t)
{
    struct entry *entry = catalog_find(w->catalog, t->name, strlen(t->name));
    bool replace;
    struct error e;

    if (origin_apply(w, entry, r, t, &replace, &e) != ST_OK) {
        w->reload_failed++;
        log_error("table stays as it was table=%s error=%s", t->name, e.text);
    } else if (replace) {
        reload_table(w, t);
    }
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
    for (size_t i = 0; (name = reconcile_dropped(w, &i)); i++) {
        if (stop_table(w, name, &e) != ST_OK) {
            w->reload_failed++;
            log_error("table stays as it was error=%s", e.text);
        }
    }
    /* The report comes when the last load of this reload, or of one before it, is done. */
    for (const struct table_config *t = w->config->tables; t; t = t->next) {
        const struct registered *r = registry_find(w->registry, t->name);

        if (!reconcile_wants(t, r))
            continue;
        if (r && r->served && r->trainable)
            reload_trainable(w, r, t);
        else if (!is_up_to_date(w, t))
            reload_table(w, t);
    }
    w->reloading = true;
    loads_next(w);
}

void reconcile_report(struct writer *w)
{
    w->reloading = false;
    log_info("configuration reloaded loaded=%u unloaded=%u failed=%u tables=%zu", w->reload_done,
             w->reload_unloaded, w->reload_failed, w->catalog->count);
}
