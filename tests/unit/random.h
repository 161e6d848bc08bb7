/* SPDX-License-Identifier: Apache-2.0 */
/* Random numbers for tests: the same on every run and machine. */
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

struct random {
    uint64_t state; /* any start gives a good sequence */
};

static inline uint64_t random_u64(struct random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static inline uint64_t random_below(struct random *r, uint64_t limit)
{
    return random_u64(r) % limit;
}

static inline void random_bytes(struct random *r, void *out, size_t n)
{
    unsigned char *to = out;

    for (size_t i = 0; i < n; i++)
        to[i] = (unsigned char)random_u64(r);
}

/* In (0, 1). */
static inline double random_unit(struct random *r)
{
    return ((double)(random_u64(r) >> 12) + 0.5) * 0x1p-52;
}

/* Of the normal distribution. */
static inline float random_normal(struct random *r)
{
    double radius = sqrt(-2 * log(random_unit(r)));

    return (float)(radius * cos(6.283185307179586 * random_unit(r)));
}

/* Any bits: among them zeros, subnormals, infinities and NaN far more often than by chance. */
static inline float random_any_float(struct random *r)
{
    static const uint32_t special[] = {
        0x00000000, 0x80000000, 0x00000001, 0x807fffff, 0x00800000, 0x7f7fffff, 0xff7fffff,
        0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001, 0xffbfffff, 0x477fe000,
        0x477fefff, 0x477ff000, 0xc77ff001, 0x38800000, 0x387fffff, 0x33000000, 0x33000001,
        0xb2ffffff, 0x7f7f7fff, 0x7f7f8000, 0x3f800000, 0x3f808000, 0x3f818000,
    };
    uint64_t bits = random_u64(r);
    uint32_t chosen = (uint32_t)bits;
    float x;

    if (bits >> 62 == 0)
        chosen = special[(bits >> 32) % (sizeof special / sizeof special[0])];
    memcpy(&x, &chosen, sizeof x);
    return x;
}
