/* SPDX-License-Identifier: Apache-2.0 */
/* The draws of random rounding. No state. */
#include "methods/gradient.h"

#include <string.h>

#include "methods/philox.h"

struct rounding rounding_of(const char *tensor, uint64_t seed, uint64_t version)
{
    return (struct rounding){
        .key = hash_seeded(tensor, strlen(tensor), seed),
        .version = version,
    };
}

void rounding_draws(const struct rounding *r, uint64_t first, size_t n, float *out)
{
    uint32_t key0 = (uint32_t)r->key, key1 = (uint32_t)(r->key >> 32);
    uint32_t version0 = (uint32_t)r->version, version1 = (uint32_t)(r->version >> 32);

    for (size_t i = 0; i < n; i++) {
        uint64_t element = first + i;
        uint32_t c[4] = {(uint32_t)element, (uint32_t)(element >> 32), version0, version1};

        philox(c, key0, key1);
        out[i] = (float)(int32_t)(c[0] >> 8) * 0x1p-24f;
    }
}
