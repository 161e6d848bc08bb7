/* SPDX-License-Identifier: Apache-2.0 */
/* Philox 4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy
   as 1, 2, 3", SC 2011: a bijection of the counter for each key. No state. */
#pragma once

#include <stdint.h>

static inline void philox_round(uint32_t c[4], uint32_t key0, uint32_t key1)
{
    uint64_t a = (uint64_t)0xd2511f53 * c[0], b = (uint64_t)0xcd9e8d57 * c[2];

    c[0] = (uint32_t)(b >> 32) ^ c[1] ^ key0;
    c[1] = (uint32_t)b;
    c[2] = (uint32_t)(a >> 32) ^ c[3] ^ key1;
    c[3] = (uint32_t)a;
}

/* Words of counter and key from the lowest on; the counter becomes the random words. The rounds are
   written out so that loops around them turn into vectors. */
static inline void philox(uint32_t counter[4], uint32_t key0, uint32_t key1)
{
    const uint32_t weyl0 = 0x9e3779b9, weyl1 = 0xbb67ae85;

    philox_round(counter, key0, key1);
    philox_round(counter, key0 + weyl0, key1 + weyl1);
    philox_round(counter, key0 + 2 * weyl0, key1 + 2 * weyl1);
    philox_round(counter, key0 + 3 * weyl0, key1 + 3 * weyl1);
    philox_round(counter, key0 + 4 * weyl0, key1 + 4 * weyl1);
    philox_round(counter, key0 + 5 * weyl0, key1 + 5 * weyl1);
    philox_round(counter, key0 + 6 * weyl0, key1 + 6 * weyl1);
    philox_round(counter, key0 + 7 * weyl0, key1 + 7 * weyl1);
    philox_round(counter, key0 + 8 * weyl0, key1 + 8 * weyl1);
    philox_round(counter, key0 + 9 * weyl0, key1 + 9 * weyl1);
}
