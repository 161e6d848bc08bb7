/* SPDX-License-Identifier: Apache-2.0 */
/* Other options of a trainable table. They are logged and hold from the next push on; nothing is
   loaded, unless the optimizer is another one, whose state begins anew, or counts are to be kept by
   a table that has none: that is a new content of the table, made from what the table is now. The
   writer's. */
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/config.h"
#include "daemon/keep.h"
#include "daemon/server.h"
#include "daemon/writer_parts.h"
#include "table/training.h"

/* What the options come to. They lie over what the file says; when it is gone, what is no longer
   said stays as it is. */
static enum status merge(struct optimizer_settings *out, const struct entry *entry,
                         const struct table_settings *settings,
                         const struct optimizer_settings *file, struct error *e)
{
    const struct optimizer_settings *now = training_settings(entry->training);
    struct optimizer_option option[TABLE_OPTIMIZER_OPTIONS];
    size_t count = table_settings_optimizer(settings, option);
    enum status st;

    if (!file)
        file = now;
    /* Whether the optimizer may be another one is a question of the table's state, see below. */
    st = optimizer_settings_merge(out, file->optimizer ? file : NULL, option, count, true, e);
    if (st != ST_OK)
        return st;
    if (!out->optimizer)
        st = error_set(e, ST_PRECONDITION,
                       "it would be read-only without an optimizer, and its training lost; "
                       "replace=yes does that");
    else if (out->optimizer != now->optimizer && !settings->reset_optimizer)
        st = error_set(e, ST_INVALID,
                       "its optimizer is %s, not %s; reset_optimizer=yes begins its state anew",
                       now->optimizer->name, out->optimizer->name);
    else
        out->step = now->step;
    if (st != ST_OK)
        optimizer_settings_done(out);
    return st;
}

static enum status log_settings(struct writer *w, struct entry *entry,
                                const struct table_settings *settings,
                                const struct optimizer_settings *trained, struct error *e)
{
    struct registered change = {.by = BY_CONFIGURATION};
    enum status st = table_settings_write(&change.options, settings, trained, e);

    if (st != ST_OK)
        return st;
    memcpy(change.name, entry->name, sizeof change.name);
    st = registry_change(w->registry, CHANGE_OPTIONS, &change, e);
    mem_free(change.options);
    if (st != ST_OK)
        return st;
    keep_changed(entry->keep, change.lsn);
    atomic_store(&w->server->lsn, change.lsn);
    log_info("options of the table changed table=%s lsn=%llu", entry->name,
             (unsigned long long)change.lsn);
    return ST_OK;
}

/* They are the training's before they are logged, so that nothing can fail afterwards. */
static enum status change(struct writer *w, struct entry *entry,
                          const struct table_settings *settings,
                          const struct optimizer_settings *trained, struct error *e)
{
    struct optimizer_settings before;
    enum table_count count = entry->count;
    struct cache_size cache = entry->cache;
    struct cache_budget *budget = &w->server->caches;
    bool interval = entry->interval;
    struct error undo;
    enum status st = optimizer_settings_copy(&before, training_settings(entry->training), e);

    if (st != ST_OK)
        return st;
    st = training_set(entry->training, trained, e);
    if (st == ST_OK) {
        entry->interval = settings->interval;
        st = entry_count(entry, settings->count, e);
        if (st == ST_OK)
            st = entry_cache(entry, &settings->cache, budget, e);
        if (st == ST_OK)
            st = keep_settings(entry->keep, e);
        if (st == ST_OK)
            st = log_settings(w, entry, settings, trained, e);
        if (st == ST_OK && training_growth(entry->training))
            growth_set(training_growth(entry->training), &settings->growth);
        if (st != ST_OK) {
            entry->interval = interval;
            (void)!entry_count(entry, count, &undo); /* what they take is there */
            (void)!entry_cache(entry, &cache, budget, &undo);
        }
        if (st != ST_OK && (training_set(entry->training, &before, &undo) != ST_OK ||
                            keep_settings(entry->keep, &undo) != ST_OK))
            writer_give_up(w, &undo);
    }
    optimizer_settings_done(&before);
    return st;
}

/* The new content begins with what the table is now, so that is saved first. */
static enum status remake(struct writer *w, struct entry *entry,
                          const struct table_settings *settings, bool keeps, struct error *e)
{
    struct order *o;
    enum status st = order_new(&o, ORDER_RESTORE, entry->name, NULL, e);

    if (st != ST_OK)
        return st;
    o->resets = true;
    o->keeps = keeps;
    counts_fold(w, entry);
    o->settings = *settings;
    if (w->serving) {
        o->reload = true;
        w->reload_loads++;
        saves_before(w, entry, o, "is being replaced");
        return ST_OK;
    }
    while (st == ST_OK && !keep_complete(entry->keep))
        st = saves_now(w, entry, e);
    if (st == ST_OK)
        return loads_now(w, o, false, e);
    order_unref(o);
    return st;
}

/* Counts of a table that has none: all the rest is as it would be without. */
static enum status begin_counts(struct writer *w, struct entry *entry,
                                const struct table_settings *settings,
                                const struct optimizer_settings *trained, struct error *e)
{
    struct table_settings others = *settings;
    enum status st;

    others.count = COUNT_NO;
    st = change(w, entry, &others, trained, e);
    return st == ST_OK ? remake(w, entry, settings, true, e) : st;
}

enum status settings_change(struct writer *w, struct entry *entry, const struct table_config *t,
                            const struct optimizer_settings *file, struct error *e)
{
    struct optimizer_settings settings;
    enum status st = merge(&settings, entry, &t->settings, file, e);

    if (st != ST_OK)
        return st;
    if (settings.optimizer != training_settings(entry->training)->optimizer)
        st = remake(w, entry, &t->settings, false, e);
    else if (t->settings.count && !training_can_count(entry->training))
        st = begin_counts(w, entry, &t->settings, &settings, e);
    else
        st = change(w, entry, &t->settings, &settings, e);
    optimizer_settings_done(&settings);
    return st;
}
