/* SPDX-License-Identifier: Apache-2.0 */
/* Decoded rows of one table, kept for ids that come again. A cache belongs to one thread and needs
   no lock; see caches.h for those of all workers.

     cache_begin() → cache_find() → the rows are used → cache_keep() → cache_find() → …

   What is found has the bits that decoding gives: a row is kept as it was decoded, and for one
   moment of the table only. When the table has changed, cache_begin() empties the cache by counting
   up a number; which rows it had is remembered, so that those that are named often get their places
   again.

   Which rows stay. Rows lie in sets of 16, each row in the set that its hash says. A new row is one
   of the set's three young ones. The oldest of these goes when the next one comes, unless it was
   named again meanwhile: then it is old from here on, and one of the old rows has to go. A hand
   goes around these; a row that was named since, up to three times, is passed and loses one of
   them. So rows that are named once, of which real traffic is full, pass by those that are named
   often. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct table;

#define CACHE_SET 16    /* rows of a set */
#define CACHE_FIND 1024 /* most rows that are found together, … */
#define CACHE_DECODE 64 /* … and most of them that are decoded, in one go */

struct cache;

/* Memory of a cache of so many sets; SIZE_MAX if that is more than there can be. */
size_t cache_bytes(size_t sets, uint32_t dim);
struct cache *cache_new(size_t sets, uint32_t dim); /* NULL: no memory */
void cache_free(struct cache *c);                   /* NULL is fine */

/* Rows are those of `moment` from now on: what was kept at another one is forgotten. */
void cache_begin(struct cache *c, uint64_t moment);
/* Find the first rows of `row` [n]: at[i] is then the float32 [dim] of row[i] (of ROW_UNKNOWN, the
   table's default row), until the next cache_keep(). Those that are not there are decoded together;
   their number is added to *decoded. Returns how many rows were found, at least one: CACHE_FIND, or
   fewer if so many had to be decoded. The table is that of the cache, at its moment. */
size_t cache_find(struct cache *c, const struct table *t, const uint64_t *row, size_t n,
                  const float *at[CACHE_FIND], size_t *decoded);
/* Keep what was decoded, as far as there is a place for it. After each cache_find(). */
void cache_keep(struct cache *c);
