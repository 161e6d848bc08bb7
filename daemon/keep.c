/* SPDX-License-Identifier: Apache-2.0 */
/* A trainable table's snapshots, as the writer knows them. */
#include "daemon/keep.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "daemon/saver.h"
#include "daemon/table_options.h"
#include "table/optimizer_settings.h"
#include "table/training.h"

enum status keep_new(struct keep **out, struct entry *entry, const char *folder, struct error *e)
{
    struct keep *k = mem_zero(1, sizeof *k);
    enum status st;

    if (!k || !(k->folder = mem_text(folder, strlen(folder)))) {
        mem_free(k);
        return error_memory(e, "table entry");
    }
    k->entry = entry;
    k->since = entry->version;
    pthread_mutex_init(&k->lock, NULL); /* with default attributes it cannot fail */
    optimizer_settings_init(&k->settings);
    optimizer_settings_init(&k->next_settings);
    st = keep_settings(k, e);
    if (st != ST_OK) {
        keep_free(k);
        return st;
    }
    *out = k;
    return ST_OK;
}

void keep_free(struct keep *k)
{
    if (!k)
        return;
    pthread_mutex_destroy(&k->lock);
    optimizer_settings_done(&k->settings);
    optimizer_settings_done(&k->next_settings);
    mem_free(k->kept);
    mem_free(k->folder);
    mem_free(k);
}

static void set(atomic_uint_fast64_t *gauge, uint64_t value)
{
    atomic_store_explicit(gauge, value, memory_order_relaxed);
}

void keep_take(struct keep *k, const struct snapshot *s, bool stale, uint64_t first)
{
    struct training_gauges *g = k->entry->gauges;
    struct keep_lineage *l = &k->lineage[s->lineage];

    l->exists = true;
    l->stale = stale;
    l->first = first;
    l->snapshot = *s;
    s = keep_newest(k);
    set(&g->snapshot_version, s->version);
    set(&g->snapshot_lsn, s->lsn);
    set(&g->snapshot_bytes, s->chain_bytes);
    set(&g->snapshot_us, (uint64_t)s->time_us);
}

void keep_changed(struct keep *k, uint64_t lsn)
{
    for (unsigned i = 0; i < LINEAGES; i++)
        if (k->lineage[i].exists && !k->lineage[i].first)
            k->lineage[i].first = lsn;
    if (k->saving && !k->saving->first)
        k->saving->first = lsn;
}

uint64_t keep_hold(const struct keep *k)
{
    uint64_t hold = 0;

    for (unsigned i = 0; i < LINEAGES; i++) {
        uint64_t first = k->lineage[i].exists ? k->lineage[i].first : 0;

        if (first && (!hold || first < hold))
            hold = first;
    }
    return hold;
}

static bool is_newer(const struct snapshot *a, const struct snapshot *b)
{
    return a->version != b->version ? a->version > b->version : a->time_us > b->time_us;
}

const struct snapshot *keep_newest(const struct keep *k)
{
    const struct snapshot *newest = NULL;

    for (unsigned i = 0; i < LINEAGES; i++)
        if (k->lineage[i].exists && (!newest || is_newer(&k->lineage[i].snapshot, newest)))
            newest = &k->lineage[i].snapshot;
    return newest;
}

unsigned keep_turn(const struct keep *k)
{
    for (unsigned i = 0; i < LINEAGES; i++)
        if (!k->lineage[i].exists)
            return i;
    return is_newer(&k->lineage[0].snapshot, &k->lineage[1].snapshot);
}

bool keep_complete(const struct keep *k)
{
    for (unsigned i = 0; i < LINEAGES; i++)
        if (!k->lineage[i].exists || k->lineage[i].first)
            return false;
    return true;
}

/* ---- For those who ask ---- */

void keep_list(struct keep *k, struct kept *list, size_t count)
{
    struct kept *old;

    pthread_mutex_lock(&k->lock);
    old = k->kept;
    k->kept = list;
    k->kept_count = count;
    pthread_mutex_unlock(&k->lock);
    mem_free(old);
}

enum status keep_settings(struct keep *k, struct error *e)
{
    struct optimizer_settings now, old;
    enum status st = optimizer_settings_copy(&now, training_settings(k->entry->training), e);

    if (st != ST_OK)
        return st;
    pthread_mutex_lock(&k->lock);
    old = k->settings;
    k->settings = now;
    k->pushes = k->entry->gauges->pushes;
    k->interval = k->entry->interval;
    k->count = k->entry->count;
    pthread_mutex_unlock(&k->lock);
    optimizer_settings_done(&old);
    return ST_OK;
}

struct kept kept_of(const struct snapshot *s)
{
    const char *slash = strrchr(s->path, '/');
    struct kept kept = {.version = s->version,
                        .lsn = s->lsn,
                        .bytes = s->bytes,
                        .checksum = s->checksum,
                        .time_us = s->time_us,
                        .whole = s->whole};

    snprintf(kept.file, sizeof kept.file, "%.63s", slash ? slash + 1 : s->path);
    return kept;
}

enum status kept_from(struct kept **out, size_t *kept, const struct snapshot *list, size_t count,
                      struct error *e)
{
    struct kept *made = mem_zero(count, sizeof *made);
    size_t n = 0;

    if (!made)
        return error_memory(e, "list of snapshots");
    for (size_t i = 0; i < count; i++)
        if (!list[i].damaged)
            made[n++] = kept_of(&list[i]);
    *out = made;
    *kept = n;
    return ST_OK;
}

/* What is told, copied under the lock; the settings are yours. */
static enum status copy(struct keep_description *out, struct optimizer_settings *settings,
                        struct keep *k, uint64_t pushes, struct arena *arena, struct error *e)
{
    size_t bytes = k->kept_count * sizeof *k->kept;
    struct kept *kept;

    arena->cap += bytes + 64;
    kept = arena_alloc(arena, k->kept_count, sizeof *kept);
    if (!kept)
        return error_memory(e, "the reply");
    if (bytes)
        memcpy(kept, k->kept, bytes);
    out->kept = kept;
    out->count = k->kept_count;
    out->durability = k->interval ? "interval" : "always";
    out->counted = table_count_name(k->count);
    out->accesses = atomic_load(&k->entry->gauges->accesses);
    if (optimizer_settings_copy(settings, &k->settings, e) != ST_OK)
        return ST_EXHAUSTED;
    settings->step += pushes > k->pushes ? pushes - k->pushes : 0;
    return ST_OK;
}

enum status keep_describe(struct keep_description *out, const struct entry *entry,
                          struct arena *arena, struct error *e)
{
    struct keep *k = entry->keep;
    struct optimizer_settings settings;
    char *text = NULL;
    enum status st;
    size_t n;

    pthread_mutex_lock(&k->lock);
    st = copy(out, &settings, k, atomic_load(&entry->gauges->pushes), arena, e);
    pthread_mutex_unlock(&k->lock);
    if (st != ST_OK)
        return st;
    st = optimizer_settings_write(&text, &settings, e);
    optimizer_settings_done(&settings);
    if (st != ST_OK)
        return st;
    n = strlen(text);
    arena->cap += n + 64;
    out->optimizer = arena_text(arena, text, n);
    mem_free(text);
    return out->optimizer ? ST_OK : error_memory(e, "the reply");
}
