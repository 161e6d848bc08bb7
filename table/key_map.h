/* SPDX-License-Identifier: Apache-2.0 */
/* A number for each of some 64-bit keys: what is counted or decided of ids that have no row yet.
   Open addressing, seeded by a random number of the process. One owner. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"

struct key_value {
    int64_t key;
    uint64_t value; /* 0: the place is free */
};

/* Begins zeroed. */
struct key_map {
    struct key_value *slot;
    size_t slots; /* 0, or a power of two of which at least a third is free */
    size_t count;
    struct hash_secret secret;
};

void key_map_done(struct key_map *m);
/* Room for `count` keys in all, those that are there included; false without memory. */
bool key_map_reserve(struct key_map *m, size_t count);
/* The value of a key, which may be changed to another one above 0; NULL if it is not there. */
uint64_t *key_map_find(const struct key_map *m, int64_t key);
/* Add a key that is not there and for which there is room; the value is above 0. */
void key_map_add(struct key_map *m, int64_t key, uint64_t value);
void key_map_erase(struct key_map *m, int64_t key); /* one that is not there is fine */
void key_map_clear(struct key_map *m);
/* Halve all values; keys whose value becomes 0 go. */
void key_map_halve(struct key_map *m);
size_t key_map_bytes(const struct key_map *m);
