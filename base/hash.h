/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums and key hashing by xxHash; places in hash tables. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* XXH64 of the eight little-endian bytes of `key` under `seed`: the row of a hashed id before "mod
   N" (design: table files, embd.ids = hash). */
uint64_t hash_key(int64_t key, uint64_t seed);
/* XXH3-64 of a run of bytes. */
uint64_t hash_bytes(const void *data, size_t n);
/* XXH3-128, low half first. */
void hash_bytes128(uint64_t out[2], const void *data, size_t n);

/* XXH64 of a run of bytes under `seed`. */
uint64_t hash_seeded(const void *data, size_t n, uint64_t seed);

/* For hash tables of numbers that a peer chooses: two numbers that nobody outside can know, drawn
   once a process. What a program puts out must not depend on them. */
struct hash_secret {
    uint64_t add, multiply;
};
struct hash_secret hash_secret(void);

/* Two folded 128-bit products: the first spreads each bit of the number, the second the low half
   that a single product leaves weak. */
static inline uint64_t hash_number(const struct hash_secret *s, uint64_t number)
{
    unsigned __int128 m = (unsigned __int128)(number ^ s->add) * s->multiply;

    m = (unsigned __int128)((uint64_t)m ^ (uint64_t)(m >> 64)) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* XXH3-64 of bytes that come in pieces. */
struct hasher;
struct hasher *hasher_new(void);
void hasher_add(struct hasher *h, const void *data, size_t n);
uint64_t hasher_value(const struct hasher *h);
void hasher_free(struct hasher *h);
