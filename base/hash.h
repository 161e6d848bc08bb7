/* SPDX-License-Identifier: Apache-2.0 */
/* Checksums and key hashing, all by xxHash. */
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

/* XXH3-64 of bytes that come in pieces. */
struct hasher;
struct hasher *hasher_new(void);
void hasher_add(struct hasher *h, const void *data, size_t n);
uint64_t hasher_value(const struct hasher *h);
void hasher_free(struct hasher *h);
