/* SPDX-License-Identifier: Apache-2.0 */
/* The caches of one table: one for each worker, which makes it when it first looks the table up and
   is alone in using it. The writer says how large they are. A cache that there is no memory for, or
   that would take all caches together over their budget, is not made, and rows are decoded. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "table/cache.h"

struct table;

/* The option `cache` of a table, over all workers: a share of its rows, or bytes. Both 0: none. */
struct cache_size {
    double percent;
    uint64_t bytes;
};

/* Read "5%", "0.5 %", "64MiB" or "0"; false for anything else. */
bool cache_size_parse(struct cache_size *out, const char *text);
/* As cache_size_parse() reads it. Returns `out`. */
const char *cache_size_format(char out[24], const struct cache_size *size);

/* What all caches of a process may take, and take. */
struct cache_budget {
    uint64_t most; /* bytes */
    atomic_uint_fast64_t bytes;
    atomic_uint_fast64_t freed; /* how many caches were: others may be made then */
};

struct caches;

/* By the writer: none yet, of size 0. Table and budget have to outlive them. */
MUST_CHECK enum status caches_new(struct caches **out, const struct table *t, unsigned workers,
                                  struct cache_budget *budget, struct error *e);
/* By the writer, at any time: workers take it up when they come by. */
void caches_resize(struct caches *c, const struct cache_size *size);
/* By the worker of that number: its cache, or NULL if there is none. */
struct cache *caches_of(struct caches *c, unsigned worker);
/* By any thread: memory of all of them. */
uint64_t caches_bytes(const struct caches *c);
/* By the writer: nobody uses any of them. NULL is fine. */
void caches_free(struct caches *c);
