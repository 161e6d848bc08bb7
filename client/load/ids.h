/* SPDX-License-Identifier: Apache-2.0 */
/* Where the ids of one table come from: drawn afresh for every request, uniformly or by Zipf's law,
   or read in order from an array. A source belongs to one thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "client/load/zipf.h"

enum distribution { IDS_UNIFORM, IDS_ZIPF };

struct id_trace {
    const unsigned char *data; /* of the caller's, any alignment; NULL: none */
    size_t count;              /* at least 1 */
    bool narrow;               /* int32 rather than int64 */
};

struct id_source {
    struct random random;
    uint64_t rows;
    bool skewed;
    struct zipf zipf;
    /* Ranks are scattered over the table by a permutation of 0 .. mask, walked until a row is hit:
       otherwise the hottest rows would be neighbours and share cache lines and pages. */
    uint64_t mask, key, factor[2];
    unsigned shift;

    struct id_trace trace;
    size_t position;
};

/* Draw from the ids 0 .. rows - 1, with `exponent` for IDS_ZIPF. The permutation depends on `seed`
   and `table` alone, so that all threads have the same hot rows; the draws depend on `thread` too.
 */
void id_source_init(struct id_source *s, uint64_t rows, enum distribution distribution,
                    double exponent, uint64_t seed, unsigned table, unsigned thread);
/* Read ids from `trace` instead, from its element `first` on, and from its start again when it
 * ends. */
void id_source_follow(struct id_source *s, const struct id_trace *trace, size_t first);
/* The row that the rank (from 0) stands for. */
uint64_t id_source_scatter(const struct id_source *s, uint64_t rank);
/* Write the next `n` ids as little-endian int64 at `out`, which needs no alignment. Returns the
 * end. */
unsigned char *id_source_write(struct id_source *s, unsigned char *out, size_t n);
