/* SPDX-License-Identifier: Apache-2.0 */
/* Philox 4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy
   as 1, 2, 3", SC 2011: a bijection of the counter for each key. No state. */
#pragma once

#include <stdint.h>

#define PHILOX_ROUNDS 10
#define PHILOX_FACTOR_0 UINT32_C(0xd2511f53)
#define PHILOX_FACTOR_1 UINT32_C(0xcd9e8d57)
#define PHILOX_WEYL_0 UINT32_C(0x9e3779b9)
#define PHILOX_WEYL_1 UINT32_C(0xbb67ae85)

/* Words of counter and key from the lowest on; the counter becomes the random words. */
static inline void philox(uint32_t c[4], uint32_t key0, uint32_t key1)
{
    for (uint32_t round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t a = (uint64_t)PHILOX_FACTOR_0 * c[0], b = (uint64_t)PHILOX_FACTOR_1 * c[2];

        c[0] = (uint32_t)(b >> 32) ^ c[1] ^ (key0 + round * PHILOX_WEYL_0);
        c[1] = (uint32_t)b;
        c[2] = (uint32_t)(a >> 32) ^ c[3] ^ (key1 + round * PHILOX_WEYL_1);
        c[3] = (uint32_t)a;
    }
}
