/* SPDX-License-Identifier: Apache-2.0 */
/* How often lookups have named the rows of one table since the writer took these counts last. Each
   worker counts into a memory of its own, of a fixed size, so that it waits for nobody:

     worker:  samples_add() ── takes its memory, adds, puts it back
     writer:  samples_take() ── puts an empty one in its place

   When a worker has named more different rows than its memory has room for, it goes on with every
   second id, then with every fourth, and so on, chosen at random, and what it counted before is
   thinned alike; each that is left counts for two, for four. Rows are then rounded up or down by
   chance, and their sums stay right in the mean. The next one begins with every id again. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define SAMPLES_ROWS                                                                               \
    12288 /* different rows that a worker counts: 256 KiB, less for a small table */

struct samples;

/* A row, and how often it was named: at least once. */
struct counted {
    uint64_t row;
    uint64_t times;
};

/* For a table of so many rows. */
MUST_CHECK enum status samples_new(struct samples **out, uint64_t rows, unsigned workers,
                                   struct error *e);
void samples_free(struct samples *s); /* NULL is fine */
uint64_t samples_bytes(const struct samples *s);
/* By a worker: count these rows; ROW_UNKNOWN is none. */
void samples_add(struct samples *s, unsigned worker, const uint64_t *row, size_t n);
/* By the writer: what all workers have counted, rows ascending, each once. A worker that is adding
   at this moment is left for the next time. `*out` is yours (mem_free), and NULL if there is
   nothing. ST_EXHAUSTED (memory): all stays. */
MUST_CHECK enum status samples_take(struct samples *s, struct counted **out, size_t *count,
                                    struct error *e);
