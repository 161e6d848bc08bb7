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
#include "daemon/change.h"
#include "daemon/config.h"
#include "daemon/keep.h"
#include "daemon/server.h"
#include "daemon/writer_parts.h"
#include "table/training.h"

/* How the log sees the load of `o` when the name stands there as `r` (NULL: not at all). What
   no call asked for (a start, a reload) and what changes nothing is not logged: 0. */
static enum change_kind kind_of(const struct order *o, const struct registered *r,
                                const char *options)
{
    if (!r || !r->served)
        return CHANGE_LOAD;
    if (o->worker || o->whole || strcmp(r->file, o->file) || r->checksum != o->checksum ||
        r->by != o->by || o->training || r->trainable)
        return CHANGE_REPLACE;
    return strcmp(r->options, options) ? CHANGE_OPTIONS : 0;
}

static void remember_file(struct writer *w, const struct order *o)
{
    if (o->first.path[0])
        writer_remember_snapshot(w, o->name, &o->first);
    else if (!o->training && o->table->checksum)
        writer_remember(w, o->name, &o->identity, o->checksum);
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

/* ---- Loaded tables ---- */

/* Several at once; [count] each. */
struct loaded {
    struct changes all;
    struct order **order;
    struct change *change;
    struct registered *logged;
    enum change_kind *kind; /* 0: not logged */
    size_t count;
    /* Those that are logged, one behind the other, as the registry takes them */
    struct registered *row;
    enum change_kind *row_kind;
    size_t rows;
};

static enum status loaded_init(struct loaded *l, struct writer *w, struct order **order,
                               size_t count, struct error *e)
{
    *l = (struct loaded){.all = {.writer = w},
                         .order = order,
                         .change = mem_zero(count, sizeof *l->change),
                         .logged = mem_zero(count, sizeof *l->logged),
                         .kind = mem_zero(count, sizeof *l->kind),
                         .row = mem_zero(count, sizeof *l->row),
                         .row_kind = mem_zero(count, sizeof *l->row_kind),
                         .count = count};
    if (!l->change || !l->logged || !l->kind || !l->row || !l->row_kind)
        return error_memory(e, "changes of tables");
    return publication_new(&l->all.publication, w, count, e);
}

static void loaded_done(struct loaded *l, bool undo)
{
    for (size_t i = 0; undo && l->change && i < l->count; i++)
        change_undo(&l->all, &l->change[i], l->order[i]->name);
    if (undo)
        changes_undo(&l->all);
    for (size_t i = 0; l->logged && i < l->count; i++)
        mem_free(l->logged[i].options);
    mem_free(l->change);
    mem_free(l->logged);
    mem_free(l->kind);
    mem_free(l->row);
    mem_free(l->row_kind);
}

static enum status loaded_build(struct loaded *l, size_t i, struct error *e)
{
    struct writer *w = l->all.writer;
    struct order *o = l->order[i];
    struct registered *r = &l->logged[i];
    enum status st = ST_OK;

    r->version = o->table->applied;
    if (w->registry)
        st = describe_change(r, &l->kind[i], o, registry_find(w->registry, o->name), e);
    return st == ST_OK
               ? change_build(&l->all, &l->change[i], o, o->table, r->version, r->generation, e)
               : st;
}

static enum status loaded_log(struct loaded *l, struct error *e)
{
    enum status st;

    for (size_t i = 0; i < l->count; i++)
        if (l->kind[i]) {
            l->row[l->rows] = l->logged[i];
            l->row_kind[l->rows++] = l->kind[i];
        }
    if (!l->rows)
        return ST_OK;
    st = registry_changes(l->all.writer->registry, l->row_kind, l->row, l->rows, e);
    for (size_t i = 0, row = 0; st == ST_OK && i < l->count; i++)
        if (l->kind[i])
            l->logged[i] = l->row[row++];
    return st;
}

static void loaded_show(struct loaded *l, struct order *answer)
{
    struct writer *w = l->all.writer;

    l->all.catalog->lsn = w->registry ? registry_lsn(w->registry) : 0;
    for (size_t i = 0; i < l->count; i++) {
        struct order *o = l->order[i];
        struct change *c = &l->change[i];

        assert(!o->training || l->logged[i].generation == o->generation);
        c->entry->generation = l->logged[i].generation;
        o->lsn = c->entry->lsn = l->logged[i].lsn;
        o->version = l->logged[i].version;
        if (w->registry)
            remember_file(w, o);
        log_served(c, o, o->table);
        change_hand_over(&l->all, c, o);
        answer->lsn = o->lsn;
    }
    publish(l->all.publication, l->all.catalog, answer);
}

enum status serve_tables(struct writer *w, struct order **order, size_t count, struct order *answer,
                         struct error *e)
{
    struct loaded l;
    enum status st = loaded_init(&l, w, order, count, e);

    for (size_t i = 0; i < count && st == ST_OK; i++)
        st = loaded_build(&l, i, e);
    if (st == ST_OK)
        st = loaded_log(&l, e);
    if (st == ST_OK) {
        (void)FAILPOINT("load.logged");
        loaded_show(&l, answer);
    }
    loaded_done(&l, st != ST_OK);
    return st;
}

enum status serve_table(struct writer *w, struct order *o, struct error *e)
{
    return serve_tables(w, &o, 1, o, e);
}

/* ---- The rest ---- */

enum status serve_revived(struct writer *w, struct order *o, struct entry **out, struct error *e)
{
    const struct registered *r = w->registry ? registry_find(w->registry, o->name) : NULL;
    struct changes all = {.writer = w};
    struct change c = {.entry = NULL};
    enum status st = change_build_one(&all, &c, o, o->table, o->version, o->generation, e);

    if (st != ST_OK)
        return st;
    c.entry->lsn = r ? r->lsn : 0;
    all.catalog->lsn = w->registry ? registry_lsn(w->registry) : 0;
    *out = c.entry;
    change_hand_over(&all, &c, o);
    publish(all.publication, all.catalog, o);
    return ST_OK;
}

enum status serve_damaged(struct writer *w, const struct order *o, const struct error *trouble,
                          struct error *e)
{
    const struct registered *r = w->registry ? registry_find(w->registry, o->name) : NULL;
    uint64_t version = r && r->version > o->version ? r->version : o->version;
    struct changes all = {.writer = w};
    struct change c = {.entry = NULL};
    enum status st = change_build_one(&all, &c, o, NULL, version, r ? r->generation : 0, e);

    if (st != ST_OK)
        return st;
    c.entry->trouble = mem_text(trouble->text, strlen(trouble->text));
    if (!c.entry->trouble) {
        change_undo(&all, &c, o->name);
        changes_undo(&all);
        return error_memory(e, "table entry");
    }
    c.entry->lsn = r ? r->lsn : 0;
    c.entry->reported = true;
    log_error("table is damaged and cannot be served table=%s error=%s", o->name, trouble->text);
    if (c.old)
        publication_drop(all.publication, c.old);
    publish(all.publication, all.catalog, NULL);
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
    struct changes all = {.writer = w};
    struct entry *old;
    struct registered change = {.by = o->by};
    enum change_kind kind = stop_kind(w, o);
    enum status st = writer_writable(w, e);

    if (st != ST_OK)
        return st;
    memcpy(change.name, o->name, sizeof change.name);
    old = catalog_find(w->catalog, o->name, strlen(o->name));
    if (!old && (kind != CHANGE_FORGET || !registry_find(w->registry, o->name)))
        return error_set(e, ST_NOT_FOUND, "no such table: %s", QUOTE(o->name));
    st = publication_new(&all.publication, w, 1, e);
    if (st == ST_OK)
        st = catalog_without(&all.catalog, w->catalog, o->name, 0, e);
    if (st == ST_OK)
        st = registry_change(w->registry, kind, &change, e);
    if (st != ST_OK) {
        changes_undo(&all);
        return st;
    }
    all.catalog->lsn = change.lsn;
    o->lsn = change.lsn;
    if (old) {
        o->version = old->version;
        slots_release(&w->slots, o->name, old->slot);
    }
    log_info("table %s table=%s lsn=%llu", kind == CHANGE_FORGET ? "forgotten" : "unloaded",
             o->name, (unsigned long long)o->lsn);
    if (old) {
        saves_leave(w, old->keep);
        publication_drop(all.publication, old);
    }
    if (o->forget)
        forget(w, o);
    publish(all.publication, all.catalog, o);
    return ST_OK;
}
