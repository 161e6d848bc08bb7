/* SPDX-License-Identifier: Apache-2.0 */
/* See caches.h. */
#include "table/caches.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "table/table.h"

/* What belongs to one worker. */
struct share {
    _Alignas(64) struct cache *cache;
    size_t sets;                /* of the cache, or of the one that could not be made */
    uint64_t refused_at;        /* budget->freed at that time */
    atomic_uint_fast64_t bytes; /* read by others */
};

struct caches {
    const struct table *table;
    struct cache_budget *budget;
    unsigned workers;
    atomic_size_t sets; /* that each worker's cache is to have */
    struct share share[];
};

/* ---- Sizes ---- */

bool cache_size_parse(struct cache_size *out, const char *text)
{
    size_t n = strlen(text);
    char number[24];
    double percent;
    uint64_t bytes;

    if (n && text[n - 1] == '%') {
        for (n--; n && text[n - 1] == ' ';)
            n--;
        if (n >= sizeof number)
            return false;
        memcpy(number, text, n);
        number[n] = '\0';
        /* !(a <= b): neither for what is no number. */
        if (!parse_double(number, &percent) || !(percent >= 0 && percent <= 100))
            return false;
        *out = (struct cache_size){.percent = percent};
        return true;
    }
    if (!parse_bytes(text, &bytes))
        return false;
    *out = (struct cache_size){.bytes = bytes};
    return true;
}

const char *cache_size_format(char out[24], const struct cache_size *size)
{
    if (size->percent > 0)
        snprintf(out, 24, "%.9g%%", size->percent);
    else
        snprintf(out, 24, "%llu", (unsigned long long)size->bytes);
    return out;
}

/* The most sets of one worker within its share of `bytes`. */
static size_t sets_within(uint64_t bytes, uint32_t dim)
{
    uint64_t fixed = cache_bytes(0, dim), one = cache_bytes(1, dim) - fixed;

    return bytes < fixed ? 0 : (size_t)((bytes - fixed) / one);
}

/* How many each worker gets. More than twice the table's rows would never be filled. */
static size_t sets_of(const struct table *t, unsigned workers, const struct cache_size *size)
{
    uint64_t useful = t->rows / CACHE_SET * 2 + 1;
    double rows = ceil((double)t->rows * size->percent / 100 / workers);
    uint64_t sets = size->percent > 0 ? (uint64_t)ceil(rows / CACHE_SET)
                                      : sets_within(size->bytes / workers, t->dim);

    sets = sets < useful ? sets : useful;
    return sets < SIZE_MAX ? (size_t)sets : SIZE_MAX;
}

/* ---- The writer's ---- */

enum status caches_new(struct caches **out, const struct table *t, unsigned workers,
                       struct cache_budget *budget, struct error *e)
{
    size_t bytes = sizeof(struct caches) + workers * sizeof(struct share);
    struct caches *c = mem_aligned(_Alignof(struct caches), bytes);

    if (!c)
        return error_memory(e, "caches of a table");
    memset(c, 0, bytes);
    c->table = t;
    c->budget = budget;
    c->workers = workers;
    *out = c;
    return ST_OK;
}

void caches_resize(struct caches *c, const struct cache_size *size)
{
    atomic_store_explicit(&c->sets, sets_of(c->table, c->workers, size), memory_order_relaxed);
}

/* ---- The worker's ---- */

static void drop(struct caches *c, struct share *s)
{
    uint64_t bytes = atomic_load_explicit(&s->bytes, memory_order_relaxed);

    if (!s->cache)
        return;
    cache_free(s->cache);
    s->cache = NULL;
    atomic_store_explicit(&s->bytes, 0, memory_order_relaxed);
    atomic_fetch_sub_explicit(&c->budget->bytes, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->budget->freed, 1, memory_order_relaxed);
}

static void make(struct caches *c, struct share *s, size_t sets)
{
    size_t bytes = cache_bytes(sets, c->table->dim);
    uint64_t before;

    s->sets = sets;
    s->refused_at = atomic_load_explicit(&c->budget->freed, memory_order_relaxed);
    if (!sets || bytes > c->budget->most)
        return;
    before = atomic_fetch_add_explicit(&c->budget->bytes, bytes, memory_order_relaxed);
    if (before <= c->budget->most - bytes)
        s->cache = cache_new(sets, c->table->dim);
    if (s->cache)
        atomic_store_explicit(&s->bytes, bytes, memory_order_relaxed);
    else
        atomic_fetch_sub_explicit(&c->budget->bytes, bytes, memory_order_relaxed);
}

struct cache *caches_of(struct caches *c, unsigned worker)
{
    size_t sets = atomic_load_explicit(&c->sets, memory_order_relaxed);
    struct share *s = &c->share[worker];

    if (s->sets != sets)
        drop(c, s);
    else if (s->cache ||
             s->refused_at == atomic_load_explicit(&c->budget->freed, memory_order_relaxed))
        return s->cache;
    make(c, s, sets);
    return s->cache;
}

uint64_t caches_bytes(const struct caches *c)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < c->workers; i++)
        bytes += atomic_load_explicit(&c->share[i].bytes, memory_order_relaxed);
    return bytes;
}

void caches_free(struct caches *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < c->workers; i++)
        drop(c, &c->share[i]);
    mem_free(c);
}
