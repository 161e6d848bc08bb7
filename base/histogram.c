/* SPDX-License-Identifier: Apache-2.0 */
/* Logarithmic buckets: the highest bit of a value chooses the doubling, the three bits below it the
   bucket within. Whoever owns a histogram is its only thread. */
#include "base/histogram.h"

#include <assert.h>

#define PER_DOUBLING 8
#define LAST (HISTOGRAM_BUCKETS - 1)

/* 8 exact buckets, then the doublings that begin at 2^3, 2^4, …, 2^36. */
static_assert(HISTOGRAM_BUCKETS == PER_DOUBLING * (1 + 36 - 3 + 1), "layout of stats.db");

unsigned histogram_index(uint64_t us)
{
    unsigned shift, index;

    if (us < PER_DOUBLING)
        return (unsigned)us;
    shift = 60 - (unsigned)__builtin_clzll(us); /* the highest bit moves down to bit 3 */
    index = shift * PER_DOUBLING + (unsigned)(us >> shift);
    return index < LAST ? index : LAST;
}

uint64_t histogram_lower(unsigned index)
{
    unsigned shift;

    assert(index < HISTOGRAM_BUCKETS);
    if (index < PER_DOUBLING)
        return index;
    shift = index / PER_DOUBLING - 1;
    return (uint64_t)(PER_DOUBLING + index % PER_DOUBLING) << shift;
}

uint64_t histogram_upper(unsigned index)
{
    return index < LAST ? histogram_lower(index + 1) : UINT64_MAX;
}

void histogram_add(struct histogram *h, uint64_t us)
{
    h->count++;
    h->sum_us += us;
    if (us > h->max_us)
        h->max_us = us;
    h->bucket[histogram_index(us)]++;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    into->count += from->count;
    into->sum_us += from->sum_us;
    if (from->max_us > into->max_us)
        into->max_us = from->max_us;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->bucket[i] += from->bucket[i];
}

double histogram_quantile(const struct histogram *h, double fraction)
{
    double rank = fraction * (double)h->count, below = 0, lower, upper, value;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        double here = (double)h->bucket[i];

        if (here == 0 || below + here < rank) {
            below += here;
            continue;
        }
        lower = (double)histogram_lower(i);
        upper = (double)histogram_upper(i);
        if (upper > (double)h->max_us)
            upper = (double)h->max_us;
        value = rank > below ? lower + (rank - below) / here * (upper - lower) : lower;
        return value < (double)h->max_us ? value : (double)h->max_us;
    }
    return (double)h->max_us; /* empty: 0; also the rest of a rounded rank */
}
