/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/change.h"

#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "daemon/keep.h"
#include "daemon/server.h"
#include "daemon/writer_parts.h"
#include "table/training.h"

void changes_undo(struct changes *all)
{
    catalog_free(all->catalog);
    publication_free(all->publication);
}

void change_undo(struct changes *all, struct change *c, const char *name)
{
    if (c->slot_taken)
        slots_release(&all->writer->slots, name, c->slot);
    if (c->entry) {
        keep_free(c->entry->keep);
        c->entry->table = NULL; /* the order's, as is the training */
        c->entry->training = NULL;
    }
    entry_free(c->entry);
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

enum status change_build(struct changes *all, struct change *c, const struct order *o,
                         struct table *table, uint64_t version, uint64_t generation,
                         struct error *e)
{
    struct writer *w = all->writer;
    struct catalog *next;
    enum status st;

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
    if (st == ST_OK && table)
        st = entry_cache(c->entry, &o->settings.cache, &w->server->caches, e);
    if (st == ST_OK)
        st = catalog_with(&next, all->catalog ? all->catalog : w->catalog, c->entry,
                          w->catalog->lsn, e);
    if (st != ST_OK)
        return st;
    catalog_free(all->catalog);
    all->catalog = next;
    return ST_OK;
}

enum status change_build_one(struct changes *all, struct change *c, const struct order *o,
                             struct table *table, uint64_t version, uint64_t generation,
                             struct error *e)
{
    enum status st = publication_new(&all->publication, all->writer, 1, e);

    if (st == ST_OK)
        st = change_build(all, c, o, table, version, generation, e);
    if (st != ST_OK) {
        change_undo(all, c, o->name);
        changes_undo(all);
    }
    return st;
}

void change_hand_over(struct changes *all, const struct change *c, struct order *o)
{
    o->table = NULL;
    o->training = NULL;
    if (!c->old)
        return;
    saves_leave(all->writer, c->old->keep);
    publication_drop(all->publication, c->old);
}
