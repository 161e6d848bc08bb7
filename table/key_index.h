/* SPDX-License-Identifier: Apache-2.0 */
/* From sparse 64-bit keys to row numbers. An open-addressing table in private memory whose slots
   hold key and row together, so that a lookup costs one cache line, fetched ahead in batches.
   Hashing is seeded by a random number of the process: a file cannot be made to collide. Any thread
   may search it while nobody changes it; the index of a table that grows is changed by the writer,
   with the table's gate up. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct key_index;

/* Index the keys of `n` rows, int64 little-endian at any alignment; each is read once, so they may
   change behind our back without harm. `touched`, as many in the same form, leaves out the rows
   where it is below 0, which have no key; NULL: all have. There is room for a key of each row.
   ST_INVALID with a sentence if a key is there twice. */
MUST_CHECK enum status key_index_new(struct key_index **out, const void *keys, const void *touched,
                                     uint64_t n, struct error *e);
void key_index_free(struct key_index *index); /* NULL is fine */
/* row[i] = the row of ids[i], or UINT64_MAX; returns how many are unknown. */
size_t key_index_find(const struct key_index *index, const void *ids, size_t n, uint64_t *row);
/* Keys that it has. */
uint64_t key_index_count(const struct key_index *index);
/* Add a key that is not there, of a row below `n`; and take one away that is there. Neither asks
   for memory. */
void key_index_insert(struct key_index *index, int64_t key, uint64_t row);
void key_index_erase(struct key_index *index, int64_t key);
/* Bytes of memory. */
uint64_t key_index_bytes(const struct key_index *index);
