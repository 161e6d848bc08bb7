/* SPDX-License-Identifier: Apache-2.0 */
/* Latency histogram with logarithmic buckets, eight to each doubling (a bucket is at most 12.5
   percent wide): bucket 0..7 hold 0..7 us exactly, and so on up to 2^36 us (19 hours), which also
   takes everything above. The bucket layout is part of stats.db's format. */
#pragma once

#include <stdint.h>

#define HISTOGRAM_BUCKETS 280

struct histogram {
    uint64_t count;
    uint64_t sum_us;
    uint64_t max_us;
    uint64_t bucket[HISTOGRAM_BUCKETS];
};

unsigned histogram_index(uint64_t us);    /* which bucket */
uint64_t histogram_lower(unsigned index); /* smallest value of a bucket, in us */
uint64_t histogram_upper(unsigned index); /* first value above it, in us */
void histogram_add(struct histogram *h, uint64_t us);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The value below which `fraction` (0 to 1) of the entries lie, interpolated within its bucket and
   never above max_us; 0 when empty. */
double histogram_quantile(const struct histogram *h, double fraction);
