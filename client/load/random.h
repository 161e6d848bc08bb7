/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers for load: fast, with a period that no run exhausts, and the same on every machine
   for the same seed. Not for secrets. A generator belongs to one thread. */
#pragma once

#include <stdint.h>

/* xoshiro256++ by Blackman and Vigna: 256 bits of state, never all zero. */
struct random {
    uint64_t s[4];
};

/* Start the generator number `stream` under `seed`; different streams of one seed are unrelated. */
void random_init(struct random *r, uint64_t seed, uint64_t stream);
/* Exponentially distributed with mean 1, never infinite. */
double random_exponential(struct random *r);

static inline uint64_t random_rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static inline uint64_t random_next(struct random *r)
{
    uint64_t *s = r->s, out = random_rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = random_rotate(s[3], 45);
    return out;
}

/* Uniform in 0 .. n - 1, exactly: the upper half of a product, drawn again in the few cases that
   would favour some numbers. `n` is not 0. */
static inline uint64_t random_below(struct random *r, uint64_t n)
{
    unsigned __int128 product = (unsigned __int128)random_next(r) * n;

    if ((uint64_t)product < n) {
        uint64_t least = -n % n; /* 2^64 mod n */

        while ((uint64_t)product < least)
            product = (unsigned __int128)random_next(r) * n;
    }
    return (uint64_t)(product >> 64);
}

/* Uniform in [0, 1), in steps of 2^-53. */
static inline double random_unit(struct random *r)
{
    return (double)(random_next(r) >> 11) * 0x1p-53;
}
