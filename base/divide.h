/* SPDX-License-Identifier: Apache-2.0 */
/* Division by a number that stays, as a product with its reciprocal (Lemire, Kaser and Kurz, 2019):
   exact, and several times as fast as the processor's own. */
#pragma once

#include <stdint.h>

struct divider {
    uint64_t by;         /* above 0 where anything is divided */
    uint64_t reciprocal; /* 2^64 / by, rounded up; 0 where that is beyond 64 bits or not exact */
};

static inline struct divider divider_of(uint64_t by)
{
    return (struct divider){by, by && by < (uint64_t)1 << 32 ? UINT64_MAX / by + 1 : 0};
}

static inline uint64_t divide(const struct divider *d, uint64_t x)
{
    if (d->reciprocal && x < (uint64_t)1 << 32)
        return (uint64_t)((unsigned __int128)d->reciprocal * x >> 64);
    return x / d->by;
}

static inline uint64_t remainder_of(const struct divider *d, uint64_t x)
{
    return x - divide(d, x) * d->by;
}
