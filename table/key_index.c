/* SPDX-License-Identifier: Apache-2.0 */
/* Linear probing at a load of at most two thirds. The place of a key is the high half of its hash
   times the number of slots, so that the number need not be a power of two. */
#include "table/key_index.h"

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
    uint64_t slots;
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

enum status key_index_new(struct key_index **out, const void *keys, uint64_t n, struct error *e)
{
    struct key_index *index = mem_zero(1, sizeof *index);
    const unsigned char *from = keys;
    struct slot *s[BATCH];
    int64_t key[BATCH];
    size_t bytes;
    enum status st;

    if (!index)
        return error_memory(e, "key index");
    index->secret = hash_secret();
    /* N keys are 8 N bytes of a file, so 1.5 N does not overflow; the product is checked. */
    index->slots = n + n / 2 + 1;
    if (!size_mul((size_t)index->slots, sizeof *index->slot, &bytes)) {
        st = error_memory(e, "key index");
        goto out;
    }
    st = region_private(&index->region, bytes, REGION_COPY, e);
    if (st != ST_OK)
        goto out;
    index->slot = (struct slot *)index->region->data;
    for (uint64_t done = 0; done < n;) {
        size_t batch = load_batch(key, s, index, from + done * sizeof *key, n - done);

        for (size_t i = 0; i < batch; i++) {
            struct slot *to = probe(index, s[i], key[i]);

            if (to->row_plus_1) {
                st = error_set(e, ST_INVALID, "%lld is there twice, in rows %llu and %llu",
                               (long long)key[i], (unsigned long long)(to->row_plus_1 - 1),
                               (unsigned long long)(done + i));
                goto out;
            }
            *to = (struct slot){key[i], done + i + 1};
        }
        done += batch;
    }
    *out = index;
    return ST_OK;
out:
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

uint64_t key_index_bytes(const struct key_index *index)
{
    return index ? sizeof *index + index->region->size : 0;
}
