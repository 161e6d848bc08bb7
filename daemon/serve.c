/* SPDX-License-Identifier: Apache-2.0 */
/* The changes of what is served. Each is built whole, then logged, then shown: after the log
   nothing can fail. The writer's; during start the main thread's. */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/config.h"
#include "daemon/keep.h"
#include "daemon/server.h"
#include "daemon/writer_parts.h"
#include "table/training.h"

/* A change on its way to the catalog. */
struct change {
    struct writer *writer;
    struct publication *publication;
    struct entry *entry; /* the new one, if any */
    struct catalog *catalog;
    struct entry *old; /* the one that it takes the place of, or NULL */
    unsigned slot;
    bool slot_taken;
};

static void change_undo(struct change *c, const char *name)
{
    if (c->slot_taken)
        slots_release(&c->writer->slots, name, c->slot);
    catalog_free(c->catalog);
    if (c->entry) {
        keep_free(c->entry->keep);
        c->entry->table = NULL; /* the order's, as is the training */
        c->entry->training = NULL;
    }
    entry_free(c->entry);
    publication_free(c->publication);
}

/* What a trainable table has besides. */
static enum status build_training(struct entry *entry, const struct order *o, struct error *e)
{
    enum status st = ST_OK;

    if (!o->training)
        return ST_OK;
    entry->gauges = mem_zero(1, sizeof *entry->gauges);
    if (!entry->gauges)
        return error_memory(e, "table entry");
    entry->training = o->training;
    entry->interval = o->settings.interval;
    if (training_growth(o->training)) {
        growth_set(training_growth(o->training), &o->settings.growth);
        entry->gauges->used_rows = entry->table->used;
    }
    entry->gauges->accesses = training_accesses(o->training);
    if (training_can_count(o->training))
        st = entry_count(entry, o->settings.count, e);
    entry->gauges->memory_bytes = entry_training_bytes(entry);
    if (st == ST_OK)
        st = keep_new(&entry->keep, entry, o->folder, e);
    if (st == ST_OK && o->first.path[0]) {
        struct kept *kept;
        size_t count;

        st = kept_from(&kept, &count, &o->first, 1, e);
        if (st != ST_OK)
            return st;
        keep_list(entry->keep, kept, count);
        keep_take(entry->keep, &o->first, false, 0);
    }
    return st;
}

/* Everything that a new entry takes but the log. */
static enum status change_build(struct change *c, const struct order *o, struct table *table,
                                uint64_t version, uint64_t generation, struct error *e)
{
    struct writer *w = c->writer;
    enum status st = publication_new(&c->publication, w, e);

    if (st != ST_OK)
        return st;
    c->old = catalog_find(w->catalog, o->name, strlen(o->name));
    if (c->old) {
        c->slot = c->old->slot;
    } else {
        st = slots_take(&w->slots, o->name, &c->slot, e);
        if (st != ST_OK)
            return st;
        c->slot_taken = true;
    }
    st = entry_new(&c->entry, o->name, table, version, generation, c->slot, w->server->worker_count,
                   e);
    if (st != ST_OK)
        return st;
    c->entry->file = mem_text(o->file, strlen(o->file));
    c->entry->checksum = o->checksum;
    c->entry->loaded_us = clock_wall_us();
    if (!c->entry->file)
        return error_memory(e, "table entry");
    st = build_training(c->entry, o, e);
    if (st != ST_OK)
        return st;
    return catalog_with(&c->catalog, w->catalog, c->entry, w->catalog->lsn, e);
}

/* How the log sees the load of `o` when the name stands there as `r` (NULL: not at all). What
   nobody asked for (a start, a reload) and what changes nothing is not logged: 0. */
static enum change_kind kind_of(const struct order *o, const struct registered *r,
                                const char *options)
{
    if (!r || !r->served)
        return CHANGE_LOAD;
    if (o->worker || strcmp(r->file, o->file) || r->checksum != o->checksum || r->by != o->by ||
        o->training || r->trainable)
        return CHANGE_REPLACE;
    return strcmp(r->options, options) ? CHANGE_OPTIONS : 0;
}

static void remember_file(struct writer *w, const struct order *o)
{
    struct error e;

    if (o->training || !o->table->checksum ||
        registry_file_known(w->registry, &o->identity, &(uint64_t){0}))
        return;
    if (registry_file_remember(w->registry, &o->identity, o->checksum, &e) != ST_OK)
        log_warn("the next start will read the whole file again table=%s error=%s", o->name,
                 e.text);
}

static void log_served(const struct change *c, const struct order *o, const struct table *t)
{
    log_info("table %s table=%s file=%s method=%s optimizer=%s rows=%llu dim=%u bytes=%llu "
             "version=%llu generation=%llu lsn=%llu checked=%s us=%llu",
             o->kind == ORDER_RESTORE ? "restored"
             : o->creation            ? "created"
             : c->old                 ? "replaced"
                                      : "loaded",
             o->name, QUOTE(o->file), t->method->name,
             o->training ? training_settings(o->training)->optimizer->name : "none",
             (unsigned long long)t->rows, t->dim, (unsigned long long)t->bytes,
             (unsigned long long)c->entry->version, (unsigned long long)c->entry->generation,
             (unsigned long long)c->entry->lsn, t->checksum ? "whole" : "before",
             (unsigned long long)(clock_now_us() - o->start_us));
}

/* What the log will say of a loaded table; `change->options` is yours. */
static enum status describe_change(struct registered *change, enum change_kind *kind,
                                   const struct order *o, const struct registered *r,
                                   struct error *e)
{
    const struct optimizer_settings *trained = o->training ? training_settings(o->training) : NULL;
    uint64_t applied = o->table->applied, old = !r || o->old > r->version ? o->old : r->version;
    enum status st;

    *change = (struct registered){.file = o->file,
                                  .version = applied,
                                  .by = o->by,
                                  .identity = o->identity,
                                  .checksum = o->checksum,
                                  .trainable = trained,
                                  .header_hash = o->header_hash};
    memcpy(change->name, o->name, sizeof change->name);
    st = table_settings_write(&change->options, &o->settings, trained, e);
    if (st != ST_OK)
        return st;
    *kind = kind_of(o, r, change->options);
    if (*kind == CHANGE_REPLACE && !trained)
        change->version = (old > applied ? old : applied) + 1;
    else if (*kind != CHANGE_LOAD && !trained)
        change->version = r->version;
    if (r) {
        change->generation = r->generation;
        change->lsn = r->lsn;
    }
    return ST_OK;
}

/* From here on the table and its training are the entry's. */
static void show(struct change *c, struct order *o)
{
    o->table = NULL;
    o->training = NULL;
    if (c->old)
        saves_leave(c->writer, c->old->keep);
    publish(c->publication, c->catalog, c->old, o);
}

enum status serve_table(struct writer *w, struct order *o, struct error *e)
{
    struct change c = {.writer = w};
    struct registered change = {.version = o->table->applied};
    enum change_kind kind = 0;
    enum status st = ST_OK;

    if (w->registry)
        st = describe_change(&change, &kind, o, registry_find(w->registry, o->name), e);
    if (st == ST_OK)
        st = change_build(&c, o, o->table, change.version, change.generation, e);
    if (st == ST_OK && kind)
        st = registry_change(w->registry, kind, &change, e);
    mem_free(change.options);
    if (st != ST_OK) {
        change_undo(&c, o->name);
        return st;
    }
    (void)FAILPOINT("load.logged");
    assert(!o->training || change.generation == o->generation);
    c.entry->generation = change.generation;
    c.entry->lsn = change.lsn;
    c.catalog->lsn = w->registry ? registry_lsn(w->registry) : 0;
    o->lsn = change.lsn;
    o->version = change.version;
    if (w->registry)
        remember_file(w, o);
    log_served(&c, o, o->table);
    show(&c, o);
    return ST_OK;
}

enum status serve_revived(struct writer *w, struct order *o, struct entry **out, struct error *e)
{
    const struct registered *r = w->registry ? registry_find(w->registry, o->name) : NULL;
    struct change c = {.writer = w};
    enum status st = change_build(&c, o, o->table, o->version, o->generation, e);

    if (st != ST_OK) {
        change_undo(&c, o->name);
        return st;
    }
    c.entry->lsn = r ? r->lsn : 0;
    c.catalog->lsn = w->registry ? registry_lsn(w->registry) : 0;
    *out = c.entry;
    show(&c, o);
    return ST_OK;
}

enum status serve_damaged(struct writer *w, const struct order *o, const struct error *trouble,
                          struct error *e)
{
    const struct registered *r = w->registry ? registry_find(w->registry, o->name) : NULL;
    uint64_t version = r && r->version > o->version ? r->version : o->version;
    struct change c = {.writer = w};
    enum status st = change_build(&c, o, NULL, version, r ? r->generation : 0, e);

    if (st == ST_OK) {
        c.entry->trouble = mem_text(trouble->text, strlen(trouble->text));
        if (!c.entry->trouble)
            st = error_memory(e, "table entry");
    }
    if (st != ST_OK) {
        change_undo(&c, o->name);
        return st;
    }
    c.entry->lsn = r ? r->lsn : 0;
    c.entry->reported = true;
    log_error("table is damaged and cannot be served table=%s error=%s", o->name, trouble->text);
    publish(c.publication, c.catalog, c.old, NULL);
    return ST_OK;
}

/* A name that is still configured is unloaded rather than forgotten, so that it stays away. */
static enum change_kind stop_kind(const struct writer *w, const struct order *o)
{
    return o->forget && !config_table_find(w->config, o->name) ? CHANGE_FORGET : CHANGE_UNLOAD;
}

/* The log does not hold a forgotten table's rows for it any more, and its snapshots go. */
static void forget(struct writer *w, const struct order *o)
{
    struct error e;
    char *folder = writer_folder(w, o->name);
    enum status st = folder ? snapshot_forget(folder, &e) : error_memory(&e, "path");

    if (st != ST_OK)
        log_warn("the snapshots of a forgotten table were not all removed table=%s error=%s",
                 o->name, e.text);
    mem_free(folder);
    holds_forget(w, o->name);
}

enum status serve_stop(struct writer *w, struct order *o, struct error *e)
{
    struct change c = {.writer = w};
    struct registered change = {.by = o->by};
    enum change_kind kind = stop_kind(w, o);
    enum status st = writer_writable(w, e);

    if (st != ST_OK)
        return st;
    memcpy(change.name, o->name, sizeof change.name);
    c.old = catalog_find(w->catalog, o->name, strlen(o->name));
    if (!c.old && (kind != CHANGE_FORGET || !registry_find(w->registry, o->name)))
        return error_set(e, ST_NOT_FOUND, "no such table: %s", QUOTE(o->name));
    st = publication_new(&c.publication, w, e);
    if (st == ST_OK)
        st = catalog_without(&c.catalog, w->catalog, o->name, 0, e);
    if (st == ST_OK)
        st = registry_change(w->registry, kind, &change, e);
    if (st != ST_OK) {
        change_undo(&c, o->name);
        return st;
    }
    c.catalog->lsn = change.lsn;
    o->lsn = change.lsn;
    if (c.old) {
        o->version = c.old->version;
        slots_release(&w->slots, o->name, c.old->slot);
    }
    log_info("table %s table=%s lsn=%llu", kind == CHANGE_FORGET ? "forgotten" : "unloaded",
             o->name, (unsigned long long)o->lsn);
    if (c.old)
        saves_leave(w, c.old->keep);
    if (o->forget)
        forget(w, o);
    publish(c.publication, c.catalog, c.old, o);
    return ST_OK;
}
