/* SPDX-License-Identifier: Apache-2.0 */
/* Catalogs are built whole and never changed, so that readers need nothing but the pointer. */
#include "table/catalog.h"

#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "table/training.h"

enum status entry_new(struct entry **out, const char *name, struct table *table, uint64_t version,
                      uint64_t generation, unsigned slot, unsigned workers, struct error *e)
{
    size_t n = strlen(name);
    struct entry *entry;
    enum status st;

    if (!table_name_valid(name, n))
        return error_set(e, ST_INVALID, "%s is not a table's name", QUOTE(name));
    /* The gate inside asks for a cache line of its own. */
    entry = mem_aligned(_Alignof(struct entry), sizeof *entry);
    if (!entry)
        return error_memory(e, "table entry");
    memset(entry, 0, sizeof *entry);
    st = gate_init(&entry->gate, workers, e);
    if (st != ST_OK) {
        mem_free(entry);
        return st;
    }
    memcpy(entry->name, name, n + 1);
    entry->name_length = n;
    entry->table = table;
    atomic_init(&entry->version, version);
    atomic_init(&entry->moment, 0);
    atomic_init(&entry->caches, NULL);
    atomic_init(&entry->sampling, NULL);
    entry->generation = generation;
    entry->slot = slot;
    *out = entry;
    return ST_OK;
}

enum status entry_train(struct entry *entry, struct training *training, struct error *e)
{
    entry->gauges = mem_zero(1, sizeof *entry->gauges);
    if (!entry->gauges)
        return error_memory(e, "table entry");
    entry->training = training;
    return ST_OK;
}

enum status entry_count(struct entry *entry, enum table_count count, struct error *e)
{
    if (count == COUNT_BOTH && !entry->samples) {
        enum status st = samples_new(&entry->samples, entry->table->rows, entry->gate.workers, e);

        if (st != ST_OK)
            return st;
    }
    entry->count = count;
    atomic_store(&entry->sampling, count == COUNT_BOTH ? entry->samples : NULL);
    return ST_OK;
}

enum status entry_cache(struct entry *entry, const struct cache_size *size,
                        struct cache_budget *budget, struct error *e)
{
    struct caches *caches = atomic_load_explicit(&entry->caches, memory_order_relaxed);
    enum status st = ST_OK;

    if (!caches && (size->percent > 0 || size->bytes))
        st = caches_new(&caches, entry->table, entry->gate.workers, budget, e);
    if (st != ST_OK)
        return st;
    entry->cache = *size;
    if (caches)
        caches_resize(caches, size);
    atomic_store(&entry->caches, caches);
    return ST_OK;
}

struct cache *entry_cache_of(struct entry *entry, unsigned worker)
{
    struct caches *caches = atomic_load_explicit(&entry->caches, memory_order_acquire);
    struct cache *cache = caches ? caches_of(caches, worker) : NULL;

    if (cache)
        cache_begin(cache, atomic_load_explicit(&entry->moment, memory_order_relaxed));
    return cache;
}

uint64_t entry_cache_bytes(const struct entry *entry)
{
    /* The cast takes const away, which C11's atomic_load does not allow for. */
    const struct caches *caches =
        atomic_load_explicit((_Atomic(struct caches *) *)&entry->caches, memory_order_acquire);

    return caches ? caches_bytes(caches) : 0;
}

uint64_t entry_training_bytes(const struct entry *entry)
{
    return training_bytes(entry->training) + (entry->samples ? samples_bytes(entry->samples) : 0);
}

struct table *entry_end(struct entry *entry)
{
    struct table *table = entry->table;

    training_free(entry->training); /* looks into the table until the end */
    caches_free(atomic_load(&entry->caches));
    mem_free(entry->gauges);
    samples_free(entry->samples);
    gate_done(&entry->gate);
    mem_free(entry->trouble);
    mem_free(entry->file);
    mem_free(entry);
    return table;
}

void entry_free(struct entry *entry)
{
    if (entry)
        table_close(entry_end(entry));
}

static int name_order(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, a_length < b_length ? a_length : b_length);

    return order ? order : a_length < b_length ? -1 : a_length > b_length;
}

static size_t bucket_of(const struct catalog *c, const char *name, size_t n)
{
    return (size_t)hash_bytes(name, n) & (c->bucket_count - 1);
}

/* An empty catalog with room for `count` entries. */
static enum status make(struct catalog **out, size_t count, uint64_t number, uint64_t lsn,
                        struct error *e)
{
    struct catalog *c = mem_zero(1, sizeof *c);

    if (!c)
        return error_memory(e, "catalog");
    c->number = number;
    c->lsn = lsn;
    c->bucket_count = 8;
    while (c->bucket_count < count * 2) /* at most half full: short ways to an empty one */
        c->bucket_count *= 2;
    c->entry = mem_zero(count, sizeof *c->entry);
    c->bucket = mem_zero(c->bucket_count, sizeof *c->bucket);
    if (!c->entry || !c->bucket) {
        catalog_free(c);
        return error_memory(e, "catalog");
    }
    *out = c;
    return ST_OK;
}

static void append(struct catalog *c, struct entry *entry)
{
    size_t b = bucket_of(c, entry->name, entry->name_length);

    c->entry[c->count++] = entry;
    while (c->bucket[b])
        b = (b + 1) & (c->bucket_count - 1);
    c->bucket[b] = (uint32_t)c->count;
}

enum status catalog_new(struct catalog **out, struct error *e)
{
    return make(out, 0, 1, 0, e);
}

enum status catalog_with(struct catalog **out, const struct catalog *c, struct entry *entry,
                         uint64_t lsn, struct error *e)
{
    struct catalog *next;
    enum status st = make(&next, c->count + 1, c->number + 1, lsn, e);
    bool placed = false;

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < c->count; i++) {
        int order = name_order(entry->name, entry->name_length, c->entry[i]->name,
                               c->entry[i]->name_length);

        if (order <= 0 && !placed) {
            append(next, entry);
            placed = true;
        }
        if (order != 0)
            append(next, c->entry[i]);
    }
    if (!placed)
        append(next, entry);
    *out = next;
    return ST_OK;
}

enum status catalog_without(struct catalog **out, const struct catalog *c, const char *name,
                            uint64_t lsn, struct error *e)
{
    const struct entry *gone = catalog_find(c, name, strlen(name));
    struct catalog *next;
    enum status st = make(&next, c->count, c->number + 1, lsn, e);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < c->count; i++)
        if (c->entry[i] != gone)
            append(next, c->entry[i]);
    *out = next;
    return ST_OK;
}

void catalog_free(struct catalog *c)
{
    if (!c)
        return;
    mem_free(c->entry);
    mem_free(c->bucket);
    mem_free(c);
}

struct entry *catalog_find(const struct catalog *c, const char *name, size_t n)
{
    if (n == 0 || n > TABLE_NAME_MAX)
        return NULL;
    for (size_t b = bucket_of(c, name, n); c->bucket[b]; b = (b + 1) & (c->bucket_count - 1)) {
        struct entry *entry = c->entry[c->bucket[b] - 1];

        if (entry->name_length == n && !memcmp(entry->name, name, n))
            return entry;
    }
    return NULL;
}
