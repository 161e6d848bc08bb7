/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of one worker. The owner adds with plain loads and stores (relaxed atomics, so that they
   are never torn); readers may see a call half counted, and see the rest a second later. */
#include "daemon/counters.h"

#include <assert.h>
#include <stdatomic.h>

#include "base/memory.h"

/* struct call_counts, word for word. The padding keeps those of two workers off one cache line. */
struct tally {
    _Alignas(64) atomic_uint_fast64_t count;
    atomic_uint_fast64_t ids, missing, hits, misses;
    atomic_uint_fast64_t errors[ST_COUNT];
    atomic_uint_fast64_t latency_count, latency_sum_us, latency_max_us;
    atomic_uint_fast64_t bucket[HISTOGRAM_BUCKETS];
};

struct counters {
    unsigned slots;
    _Atomic(struct tally *) tally[]; /* [slots][CALL_INDEX_COUNT], NULL until needed */
};

const char *call_index_name(unsigned index)
{
    static const char *const names[] = {
        [CALL_LOOKUP] = "Lookup",
        [CALL_PUSH] = "Push",
        [CALL_PUSH_STREAM] = "PushStream",
        [CALL_POSITION] = "Position",
        [CALL_FORGET] = "Forget",
        [CALL_LIST] = "List",
        [CALL_DESCRIBE] = "Describe",
        [CALL_LOAD] = "Load",
        [CALL_UNLOAD] = "Unload",
        [CALL_SAVE] = "Save",
        [CALL_RESTORE] = "Restore",
        [CALL_CREATE] = "Create",
        [CALL_EXPLAIN] = "Explain",
        [CALL_SAVE_GROUP] = "SaveGroup",
        [CALL_RESTORE_GROUP] = "RestoreGroup",
        [CALL_LOAD_GROUP] = "LoadGroup",
        [CALL_GROUPS] = "Groups",
        [CALL_DROP_GROUP] = "DropGroup",
        [CALL_COUNTS] = "Counts",
        [CALL_STATS] = "Query",
        [CALL_HEALTH_CHECK] = "Health.Check",
        [CALL_HEALTH_WATCH] = "Health.Watch",
        [CALL_HEALTH_LIST] = "Health.List",
        [CALL_REFLECTION] = "Reflection",
        [CALL_UNKNOWN] = "?",
    };

    static_assert(sizeof names / sizeof *names == CALL_INDEX_COUNT, "each call has a name");
    return index < CALL_INDEX_COUNT ? names[index] : "?";
}

enum status counters_new(struct counters **out, unsigned slots, struct error *e)
{
    size_t n = (size_t)slots * CALL_INDEX_COUNT;
    /* Zeroed words are null pointers on every machine that we know. */
    struct counters *c = mem_zero(1, sizeof *c + n * sizeof c->tally[0]);

    if (!c)
        return error_memory(e, "counters");
    c->slots = slots;
    *out = c;
    return ST_OK;
}

void counters_free(struct counters *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < (size_t)c->slots * CALL_INDEX_COUNT; i++)
        mem_free(atomic_load_explicit(&c->tally[i], memory_order_relaxed));
    mem_free(c);
}

static void add(atomic_uint_fast64_t *to, uint64_t n)
{
    atomic_store_explicit(to, atomic_load_explicit(to, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* The owner's block, made if need be. */
static struct tally *tally_of(struct counters *c, unsigned slot, unsigned call)
{
    _Atomic(struct tally *) *place = &c->tally[(size_t)slot * CALL_INDEX_COUNT + call];
    struct tally *t = atomic_load_explicit(place, memory_order_relaxed);

    if (t)
        return t;
    t = mem_aligned(_Alignof(struct tally), sizeof *t);
    if (!t)
        return NULL;
    *t = (struct tally){.count = 0};
    atomic_store_explicit(place, t, memory_order_release);
    return t;
}

void counters_record(struct counters *c, unsigned slot, unsigned call, enum status st, uint64_t ids,
                     uint64_t missing, uint64_t latency_us)
{
    struct tally *t;

    assert(slot < c->slots && call < CALL_INDEX_COUNT && (unsigned)st < ST_COUNT);
    t = tally_of(c, slot, call);
    if (!t)
        return;
    add(&t->ids, ids);
    add(&t->missing, missing);
    if (st != ST_OK)
        add(&t->errors[st], 1);
    add(&t->bucket[histogram_index(latency_us)], 1);
    add(&t->latency_sum_us, latency_us);
    if (latency_us > atomic_load_explicit(&t->latency_max_us, memory_order_relaxed))
        atomic_store_explicit(&t->latency_max_us, latency_us, memory_order_relaxed);
    add(&t->latency_count, 1);
    add(&t->count, 1);
}

void counters_cache(struct counters *c, unsigned slot, unsigned call, uint64_t hits,
                    uint64_t misses)
{
    struct tally *t = tally_of(c, slot, call);

    if (!t)
        return;
    add(&t->hits, hits);
    add(&t->misses, misses);
}

/* The cast takes const away, which C11's atomic_load does not allow for. */
static struct tally *seen_tally(const struct counters *c, unsigned slot, unsigned call)
{
    return atomic_load_explicit(
        (_Atomic(struct tally *) *)&c->tally[(size_t)slot * CALL_INDEX_COUNT + call],
        memory_order_acquire);
}

uint64_t counters_count(const struct counters *c, unsigned slot, unsigned call)
{
    struct tally *t = seen_tally(c, slot, call);

    return t ? atomic_load_explicit(&t->count, memory_order_relaxed) : 0;
}

bool counters_read(const struct counters *c, unsigned slot, unsigned call, struct call_counts *out)
{
    struct tally *t = seen_tally(c, slot, call);

    if (!t)
        return false;
#define READ(field) atomic_load_explicit(&t->field, memory_order_relaxed)
    out->count = READ(count);
    out->ids = READ(ids);
    out->missing = READ(missing);
    out->hits = READ(hits);
    out->misses = READ(misses);
    for (unsigned i = 0; i < ST_COUNT; i++)
        out->errors[i] = READ(errors[i]);
    out->latency.count = READ(latency_count);
    out->latency.sum_us = READ(latency_sum_us);
    out->latency.max_us = READ(latency_max_us);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        out->latency.bucket[i] = READ(bucket[i]);
#undef READ
    return true;
}

void counts_merge(struct call_counts *into, const struct call_counts *from)
{
    into->count += from->count;
    into->ids += from->ids;
    into->missing += from->missing;
    into->hits += from->hits;
    into->misses += from->misses;
    for (unsigned i = 0; i < ST_COUNT; i++)
        into->errors[i] += from->errors[i];
    histogram_merge(&into->latency, &from->latency);
}

void counts_subtract(struct call_counts *counts, const struct call_counts *from)
{
    struct histogram *h = &counts->latency;
    unsigned last = 0;

    counts->count -= from->count;
    counts->ids -= from->ids;
    counts->missing -= from->missing;
    counts->hits -= from->hits;
    counts->misses -= from->misses;
    for (unsigned i = 0; i < ST_COUNT; i++)
        counts->errors[i] -= from->errors[i];
    h->count -= from->latency.count;
    h->sum_us -= from->latency.sum_us;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        h->bucket[i] -= from->latency.bucket[i];
        last = h->bucket[i] ? i : last;
    }
    if (histogram_index(h->max_us) != last)
        h->max_us = histogram_upper(last) - 1;
}
