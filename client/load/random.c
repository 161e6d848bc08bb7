/* SPDX-License-Identifier: Apache-2.0 */
/* Seeding by SplitMix64, which turns any two numbers into state without visible pattern. */
#include "client/load/random.h"

#include <math.h>

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

void random_init(struct random *r, uint64_t seed, uint64_t stream)
{
    uint64_t state = seed;

    state = splitmix(&state) ^ stream; /* so that seed 1, stream 2 is not seed 2, stream 1 */
    for (int i = 0; i < 4; i++)
        r->s[i] = splitmix(&state); /* four outputs in a row are never all zero */
}

double random_exponential(struct random *r)
{
    return -log1p(-random_unit(r)); /* the unit is below 1, so the logarithm is finite */
}
