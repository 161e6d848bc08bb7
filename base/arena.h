/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of one request: allocated by moving a pointer, freed all at once. Owned by one thread at a
   time. Has a cap, so that what a peer sends cannot grow it without bound. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    unsigned char *next, *end;  /* free room in the newest block */
    size_t used;                /* bytes taken from the heap for all blocks */
    size_t cap;                 /* arena_alloc() fails rather than let `used` pass this */
};

/* Start an empty arena that may hold at most `cap` bytes; allocates nothing yet. */
void arena_init(struct arena *a, size_t cap);
/* Give everything back; the arena is empty and usable again. */
void arena_done(struct arena *a);
/* Forget all allocations but keep the first block for the next request, unless it is a large one.
 */
void arena_reset(struct arena *a);
/* `count * bytes` bytes aligned to 16, uninitialised; NULL if over the cap, on overflow, or out of
   memory. */
void *arena_alloc(struct arena *a, size_t count, size_t bytes);
/* The same, zeroed. */
void *arena_zero(struct arena *a, size_t count, size_t bytes);
/* A NUL-terminated copy. */
char *arena_text(struct arena *a, const char *s, size_t n);
