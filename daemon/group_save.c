/* SPDX-License-Identifier: Apache-2.0 */
/* SaveGroup: snapshots of several tables as of one place of the log, kept under a label. One group
   at a time; the others wait. The writer's.

     hold the tables' saves ── those under way end ── the instant, of all tables between the same
   two pushes ── savers ── the folder of the checkpoint ── answer

   The snapshots are ordinary ones of their tables. Until the answer no other save of a member
   begins, since with it the files that are linked might go. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/group.h"
#include "daemon/keep.h"
#include "daemon/server.h"
#include "daemon/writer_parts.h"
#include "table/training.h"

#define STOPPING "the daemon is stopping"

/* The group that was under way is over. */
static void end(struct writer *w, struct order *o, enum status st)
{
    static struct log_limit limit; /* a peer can cause these at will */
    struct group *g = o->group;

    w->group_saving = NULL;
    label_leave(w, o);
    for (size_t i = 0; g->keep && i < g->checkpoint.tables; i++)
        if (g->keep[i])
            saves_release(w, g->keep[i]);
    if (st == ST_OK)
        log_info("checkpoint saved label=%s tables=%zu lsn=%" PRIu64 " us=%" PRIu64, o->name,
                 g->checkpoint.tables, o->lsn, clock_now_us() - o->start_us);
    else
        log_limited(&limit, 5, LOG_INFO, "checkpoint was not saved label=%s status=%s error=%s",
                    o->name, status_name(st), o->error.text);
    order_answer(o, st);
}

/* The same, and others go on: loads that waited for a table's folder, and so that no row of groups
   can keep them out, then the next group and other saves. */
static void end_and_go_on(struct writer *w, struct order *o, enum status st)
{
    end(w, o, st);
    loads_next(w);
    group_saves_next(w);
    saves_next(w);
}

/* ---- Which tables ---- */

static enum status add_table(struct writer *w, struct order *o, const char *name, struct error *e)
{
    const struct entry *entry = catalog_find(w->catalog, name, strlen(name));
    struct checkpoint *c = &o->group->checkpoint;
    enum status st = saves_check(entry, name, e);

    if (st != ST_OK)
        return st;
    if (!strcmp(name, CHECKPOINT_TEXT))
        return error_set(e, ST_PRECONDITION,
                         "table %s cannot be in a checkpoint, where a file has that name", name);
    o->group->keep[c->tables] = entry->keep;
    memcpy(c->table[c->tables++].name, name, strlen(name) + 1);
    saves_hold(w, entry->keep, o);
    return ST_OK;
}

/* All that can be trained; one that is damaged is refused rather than left out. */
static enum status add_all(struct writer *w, struct order *o, struct error *e)
{
    const struct registered *const *list;
    size_t n = registry_list(w->registry, &list);
    enum status st = ST_OK;

    for (size_t i = 0; i < n && st == ST_OK; i++)
        if (list[i]->served && list[i]->trainable)
            st = add_table(w, o, list[i]->name, e);
    if (st == ST_OK && !o->group->checkpoint.tables)
        st = error_set(e, ST_PRECONDITION, "no table can be trained: there is nothing to save");
    return st;
}

static enum status gather(struct writer *w, struct order *o, struct error *e)
{
    struct group *g = o->group;
    const struct registered *const *list;
    size_t most = g->count ? g->count : registry_list(w->registry, &list);
    enum status st = ST_OK;

    g->keep = mem_zero(most, sizeof(struct keep *));
    g->snapshot = mem_zero(most, sizeof *g->snapshot);
    g->checkpoint.table = mem_zero(most, sizeof *g->checkpoint.table);
    if (!g->keep || !g->snapshot || !g->checkpoint.table)
        return error_memory(e, "checkpoint");
    if (!g->count)
        return add_all(w, o, e);
    for (size_t i = 0; i < g->count && st == ST_OK; i++)
        st = add_table(w, o, g->name[i], e);
    return st;
}

static bool is_saving(const struct group *g)
{
    for (size_t i = 0; i < g->checkpoint.tables; i++)
        if (g->keep[i]->saving)
            return true;
    return false;
}

/* ---- The instant ---- */

/* A snapshot of the table as it is now, or NULL. */
static const struct snapshot *current(const struct keep *k)
{
    for (unsigned i = 0; i < LINEAGES; i++) {
        const struct keep_lineage *l = &k->lineage[i];

        if (l->exists && !l->first && l->snapshot.version == k->entry->version)
            return &l->snapshot;
    }
    return NULL;
}

static enum status describe(struct writer *w, struct checkpoint_table *t, const struct keep *k,
                            struct error *e)
{
    const struct registered *r = registry_find(w->registry, t->name);
    const struct table *table = k->entry->table;

    t->generation = k->entry->generation;
    t->version = k->entry->version;
    t->rows = table->rows;
    t->dim = table->dim;
    memcpy(t->method, table->method->name, strnlen(table->method->name, sizeof t->method - 1));
    t->options = mem_text(r->options, strlen(r->options));
    return t->options ? ST_OK : error_memory(e, "checkpoint");
}

static int by_trainer(const void *a, const void *b)
{
    return strcmp(((const struct checkpoint_position *)a)->trainer,
                  ((const struct checkpoint_position *)b)->trainer);
}

static enum status take_positions(struct writer *w, struct checkpoint *c, struct error *e)
{
    size_t n = registry_trainers(w->registry);
    const struct position **list;

    if (!n || n > CHECKPOINT_POSITIONS_MOST)
        return ST_OK;
    list = mem_zero(n, sizeof(const struct position *));
    c->position = mem_zero(n, sizeof *c->position);
    if (!list || !c->position) {
        mem_free(list);
        return error_memory(e, "checkpoint");
    }
    c->positions = registry_positions(w->registry, list, n);
    for (size_t i = 0; i < c->positions; i++) {
        memcpy(c->position[i].trainer, list[i]->trainer, sizeof c->position[i].trainer);
        c->position[i].sequence = list[i]->sequence;
    }
    qsort(c->position, c->positions, sizeof *c->position, by_trainer);
    mem_free(list);
    return ST_OK;
}

/* What lookups have counted goes first. Where the log stands has to be on disk before a snapshot
   says so. */
static enum status prepare(struct writer *w, struct order *o, struct error *e)
{
    struct checkpoint *c = &o->group->checkpoint;
    enum status st;

    for (size_t i = 0; i < c->tables; i++)
        counts_fold(w, o->group->keep[i]->entry);
    st = writer_writable(w, e);
    if (st == ST_OK)
        st = registry_sync(w->registry, e);
    for (size_t i = 0; i < c->tables && st == ST_OK; i++)
        st = describe(w, &c->table[i], o->group->keep[i], e);
    if (st == ST_OK)
        st = take_positions(w, c, e);
    memcpy(c->label, o->name, sizeof c->label);
    c->time_us = clock_wall_us();
    o->lsn = c->lsn = st == ST_OK ? registry_lsn(w->registry) : 0;
    return st;
}

static enum status instant(struct writer *w, struct order *o, struct error *e)
{
    struct group *g = o->group;
    enum status st = prepare(w, o, e);

    for (size_t i = 0; i < g->checkpoint.tables && st == ST_OK; i++) {
        const struct snapshot *s = current(g->keep[i]);

        if (s) {
            g->snapshot[i] = *s;
            continue;
        }
        st = saves_instant(w, g->keep[i], o->lsn, e);
        g->missing += st == ST_OK;
    }
    if (st == ST_OK && FAILPOINT("group.instant"))
        st = error_errno(e, errno, "cannot begin the snapshots");
    if (st == ST_OK)
        return ST_OK;
    for (size_t i = 0; i < g->checkpoint.tables; i++)
        if (g->keep[i]->saving)
            saves_undo(w, g->keep[i]);
    return st;
}

/* ---- The folder ---- */

static void run_write(struct order *o)
{
    struct group *g = o->group;
    const struct checkpoint_order order = {
        .replace = g->replace, .most = g->most, .progress = order_goes_on, .context = o};

    g->bad = SIZE_MAX;
    o->status =
        checkpoint_write(g->data_dir, &g->checkpoint, g->snapshot, &order, &g->bad, &o->error);
    (void)FAILPOINT("group.written");
}

/* Files that are gone are no snapshot: the table gets another one. */
static void lose(struct keep *k, const struct snapshot *s)
{
    struct keep_lineage *l = &k->lineage[s->lineage];

    if (l->exists && l->snapshot.version == s->version)
        l->exists = false;
}

static void written(struct writer *w, struct order *o)
{
    struct group *g = o->group;

    if (o->status == ST_DATA_LOSS && g->bad != SIZE_MAX)
        lose(g->keep[g->bad], &g->snapshot[g->bad]);
    end_and_go_on(w, o, o->status);
}

/* All are saved, or one could not be. */
static void complete(struct writer *w, struct order *o)
{
    struct checkpoint *c = &o->group->checkpoint;

    for (size_t i = 0; i < c->tables; i++) {
        const struct snapshot *s = &o->group->snapshot[i];
        const struct kept kept = kept_of(s);

        c->table[i].lsn = s->lsn;
        c->table[i].checksum = s->checksum;
        memcpy(c->table[i].file, kept.file, sizeof c->table[i].file);
    }
    if (o->status == ST_OK && order_cancelled(o))
        o->status = error_set(&o->error, ST_CANCELLED, "nobody waits for the checkpoint any more");
    if (o->status == ST_OK)
        folder_job(w, o, run_write, written);
    else
        end_and_go_on(w, o, o->status);
}

/* ---- From outside ---- */

void group_save_back(struct writer *w, struct order *o, const struct keep *k, enum status st,
                     const struct snapshot *s, const struct error *e)
{
    struct group *g = o->group;
    size_t i = 0;

    if (!g->begun) /* a save that the group waits for */
        return;
    while (g->keep[i] != k)
        i++;
    if (st == ST_OK) {
        g->snapshot[i] = *s;
    } else if (o->status == ST_OK) {
        o->error = *e;
        if (st == ST_CANCELLED) /* by what comes after it */
            st = w->stopping ? error_set(&o->error, ST_UNAVAILABLE, STOPPING)
                             : error_set(&o->error, ST_ABORTED, "it is being unloaded");
        o->status = error_prefix(&o->error, st, "table %s", k->entry->name);
    }
    if (--g->missing == 0)
        complete(w, o);
}

/* Begin the group that waits longest; false if it is over already. */
static bool begin(struct writer *w, struct order *o)
{
    struct group *g = o->group;
    enum status st = ST_OK;

    if (!g->keep) {
        st = writer_writable(w, &o->error);
        if (st == ST_OK)
            st = gather(w, o, &o->error);
    }
    if (st == ST_OK && is_saving(g))
        return true;
    if (st == ST_OK)
        st = instant(w, o, &o->error);
    g->begun = st == ST_OK;
    if (st != ST_OK)
        end(w, o, st);
    else if (!g->missing)
        complete(w, o);
    return st == ST_OK;
}

void group_saves_next(struct writer *w)
{
    while (w->group_saving || w->group_saves) {
        if (!w->group_saving) {
            w->group_saving = w->group_saves;
            w->group_saves = w->group_saving->next;
        }
        if (w->group_saving->group->begun || begin(w, w->group_saving))
            return;
    }
}

void group_save(struct writer *w, struct order *o)
{
    struct order **last = &w->group_saves;
    enum status st = label_take(w, o, &o->error);

    if (st != ST_OK) {
        order_answer(o, st);
        return;
    }
    while (*last)
        last = &(*last)->next;
    o->next = NULL;
    *last = o;
    group_saves_next(w);
    loads_next(w);
    saves_next(w);
}

void group_saves_stop(struct writer *w)
{
    struct order *o;

    while ((o = w->group_saves)) {
        w->group_saves = o->next;
        label_leave(w, o);
        order_answer(o, error_set(&o->error, ST_UNAVAILABLE, STOPPING));
    }
    o = w->group_saving;
    if (o && !o->group->begun)
        end(w, o, error_set(&o->error, ST_UNAVAILABLE, STOPPING));
}
