/* SPDX-License-Identifier: Apache-2.0 */
/* Linear probing at a load of at most two thirds. The place of a key is the high half of its hash
   times the number of slots, so that the number need not be a power of two. Erasing moves the keys
   behind up, so that no mark is left in the way of later searches. */
#include "table/key_index.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/region.h"

#define BATCH 32 /* slots fetched ahead; about as many misses as a core keeps in flight */

struct slot {
    int64_t key;
    uint64_t row_plus_1; /* 0: empty, so that zeroed memory is an empty index */
};

struct key_index {
    struct slot *slot;
    uint64_t slots, count;
    struct region *region;
    struct hash_secret secret;
};

static inline struct slot *first_slot(const struct key_index *index, int64_t key)
{
    return &index->slot[(uint64_t)((unsigned __int128)hash_number(&index->secret, (uint64_t)key) *
                                       index->slots >>
                                   64)];
}

/* The slot of the key, or the empty one where it would be. */
static inline struct slot *probe(const struct key_index *index, struct slot *s, int64_t key)
{
    while (s->row_plus_1 && s->key != key)
        if (++s == index->slot + index->slots)
            s = index->slot;
    return s;
}

static size_t load_batch(int64_t key[BATCH], struct slot *s[BATCH], const struct key_index *index,
                         const unsigned char *from, uint64_t left)
{
    size_t n = left < BATCH ? (size_t)left : BATCH;

    memcpy(key, from, n * sizeof *key);
    for (size_t i = 0; i < n; i++) {
        s[i] = first_slot(index, key[i]);
        __builtin_prefetch(s[i]);
    }
    return n;
}

/* Bit i: whether row `first` + i has a key. */
static uint32_t used_rows(const unsigned char *touched, uint64_t first, size_t n)
{
    uint32_t used = 0;

    for (size_t i = 0; i < n; i++) {
        int64_t seconds = 0;

        if (touched)
            memcpy(&seconds, touched + (first + i) * sizeof seconds, sizeof seconds);
        used |= (uint32_t)(seconds >= 0) << i;
    }
    return used;
}

static enum status fill(struct key_index *index, const unsigned char *keys,
                        const unsigned char *touched, uint64_t n, struct error *e)
{
    struct slot *s[BATCH];
    int64_t key[BATCH];

    for (uint64_t done = 0; done < n;) {
        size_t batch = load_batch(key, s, index, keys + done * sizeof *key, n - done);
        uint32_t used = used_rows(touched, done, batch);

        for (size_t i = 0; i < batch; i++) {
            struct slot *to;

            if (!(used >> i & 1))
                continue;
            to = probe(index, s[i], key[i]);
            if (to->row_plus_1)
                return error_set(e, ST_INVALID, "%lld is there twice, in rows %llu and %llu",
                                 (long long)key[i], (unsigned long long)(to->row_plus_1 - 1),
                                 (unsigned long long)(done + i));
            *to = (struct slot){key[i], done + i + 1};
            index->count++;
        }
        done += batch;
    }
    return ST_OK;
}

enum status key_index_new(struct key_index **out, const void *keys, const void *touched, uint64_t n,
                          struct error *e)
{
    struct key_index *index = mem_zero(1, sizeof *index);
    enum status st;
    size_t bytes;

    if (!index)
        return error_memory(e, "key index");
    index->secret = hash_secret();
    /* N keys are 8 N bytes of a file, so 1.5 N does not overflow; the product is checked. */
    index->slots = n + n / 2 + 1;
    if (size_mul((size_t)index->slots, sizeof *index->slot, &bytes))
        st = region_private(&index->region, bytes, REGION_COPY, e);
    else
        st = error_memory(e, "key index");
    if (st == ST_OK) {
        index->slot = (struct slot *)index->region->data;
        st = fill(index, keys, touched, n, e);
    }
    if (st == ST_OK)
        *out = index;
    else
        key_index_free(index);
    return st;
}

void key_index_free(struct key_index *index)
{
    if (!index)
        return;
    region_free(index->region);
    mem_free(index);
}

size_t key_index_find(const struct key_index *index, const void *ids, size_t n, uint64_t *row)
{
    const unsigned char *from = ids;
    struct slot *s[BATCH];
    int64_t key[BATCH];
    size_t unknown = 0;

    for (size_t done = 0; done < n;) {
        size_t batch = load_batch(key, s, index, from + done * sizeof *key, n - done);

        for (size_t i = 0; i < batch; i++) {
            row[done + i] = probe(index, s[i], key[i])->row_plus_1 - 1; /* empty: UINT64_MAX */
            unknown += row[done + i] == UINT64_MAX;
        }
        done += batch;
    }
    return unknown;
}

uint64_t key_index_count(const struct key_index *index)
{
    return index->count;
}

void key_index_insert(struct key_index *index, int64_t key, uint64_t row)
{
    struct slot *to = probe(index, first_slot(index, key), key);

    assert(!to->row_plus_1 && index->count < index->slots - 1);
    *to = (struct slot){key, row + 1};
    index->count++;
}

void key_index_erase(struct key_index *index, int64_t key)
{
    struct slot *hole = probe(index, first_slot(index, key), key), *at = hole;
    uint64_t slots = index->slots;

    assert(hole->row_plus_1);
    /* Whatever lies behind and would be searched for through the hole goes there instead. */
    for (;;) {
        uint64_t from_home, from_hole;

        if (++at == index->slot + slots)
            at = index->slot;
        if (!at->row_plus_1)
            break;
        from_home = ((uint64_t)(at - first_slot(index, at->key)) + slots) % slots;
        from_hole = ((uint64_t)(at - hole) + slots) % slots;
        if (from_home < from_hole)
            continue;
        *hole = *at;
        hole = at;
    }
    *hole = (struct slot){0};
    index->count--;
}

uint64_t key_index_bytes(const struct key_index *index)
{
    return index ? sizeof *index + index->region->size : 0;
}
