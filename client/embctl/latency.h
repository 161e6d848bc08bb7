/* SPDX-License-Identifier: Apache-2.0 */
/* Latency histograms as the daemon sends them: counts, and the lower bound of each bucket. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Doublings of a microsecond: level 0 holds below 1 us, level n from 2^(n-1) to 2^n us. */
#define LEVELS 40

struct latency {
    const uint64_t *bound;  /* [count], rising, microseconds */
    const uint64_t *bucket; /* [count] */
    size_t count;
};

/* The value below which a share of the entries lies, interpolated within its bucket; 0 if empty. */
double latency_quantile(const struct latency *l, double share);
/* Fold the buckets into doublings. */
void latency_levels(const struct latency *l, uint64_t level[LEVELS]);
unsigned level_of(double us);
/* Where a level begins, in microseconds. */
uint64_t level_lower(unsigned level);

/* Levels `first` to `last` as one character each, the highest being full. `out` has room for
   4 * LEVELS. */
char *latency_spark(char *out, const uint64_t level[LEVELS], unsigned first, unsigned last);
/* Draw the levels as lines with bars, with the names of the quantiles that lie in them. */
void latency_draw(const uint64_t level[LEVELS], const double quantile[4]);
