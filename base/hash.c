/* SPDX-License-Identifier: Apache-2.0 */
/* xxHash, compiled into this file: a call for the eight bytes of a key would cost more than its
   hash, and the state of a hasher then comes from our own heap. Any thread. */
#include "base/hash.h"

#include <endian.h>
#include <pthread.h>
#include <sys/random.h>
#include <time.h>

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

uint64_t hash_seeded(const void *data, size_t n, uint64_t seed)
{
    return XXH64(data, n, seed);
}

static struct hash_secret secret;
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;

static void make_secret(void)
{
    struct timespec now;

    /* Early in the life of a machine there may be no random numbers yet; waiting is not worth it.
     */
    if (getrandom(&secret, sizeof secret, GRND_NONBLOCK) != sizeof secret) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        secret.add =
            (uint64_t)now.tv_nsec * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)(uintptr_t)&now;
        secret.multiply = secret.add * UINT64_C(0xd1342543de82ef95);
    }
    secret.multiply |= 1;
}

struct hash_secret hash_secret(void)
{
    pthread_once(&secret_once, make_secret);
    return secret;
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
