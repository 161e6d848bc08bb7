/* SPDX-License-Identifier: Apache-2.0 */
/* xxHash, compiled into this file: a call for the eight bytes of a key would cost more than its
   hash, and the state of a hasher then comes from our own heap. No state; any thread. */
#include "base/hash.h"

#include <endian.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/memory.h"

struct hasher {
    XXH3_state_t state;
};

uint64_t hash_key(int64_t key, uint64_t seed)
{
    uint64_t bytes = htole64((uint64_t)key);

    return XXH64(&bytes, sizeof bytes, seed);
}

uint64_t hash_bytes(const void *data, size_t n)
{
    return XXH3_64bits(data, n);
}

void hash_bytes128(uint64_t out[2], const void *data, size_t n)
{
    XXH128_hash_t hash = XXH3_128bits(data, n);

    out[0] = hash.low64;
    out[1] = hash.high64;
}

struct hasher *hasher_new(void)
{
    struct hasher *h = mem_aligned(_Alignof(struct hasher), sizeof *h);

    if (h)
        XXH3_64bits_reset(&h->state);
    return h;
}

void hasher_add(struct hasher *h, const void *data, size_t n)
{
    XXH3_64bits_update(&h->state, data, n);
}

uint64_t hasher_value(const struct hasher *h)
{
    return XXH3_64bits_digest(&h->state);
}

void hasher_free(struct hasher *h)
{
    mem_free(h);
}
