/* SPDX-License-Identifier: Apache-2.0 */
/* How counters moved between two samples. */
#pragma once

#include "client/embctl/latency.h"
#include "client/embctl/top.h"

#define RATE_BUCKETS 512 /* more than any daemon has */

struct rates {
    double calls, ids, errors, pushes; /* a second */
    double hit_percent;                /* of the ids that came through a cache; below 0: none */
    uint64_t bound[RATE_BUCKETS], bucket[RATE_BUCKETS];
    struct latency latency; /* of the calls between the samples; points to the above */
};

/* The sample of `back` looks ago, or NULL. */
const struct sample *top_at(const struct top *t, size_t back);
/* What table `name` (NULL: all together) did between two samples. */
void rates_between(struct rates *r, const struct sample *now, const struct sample *before,
                   const char *name);
