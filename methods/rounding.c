/* SPDX-License-Identifier: Apache-2.0 */
/* The draws of random rounding. No state. */
#include "methods/gradient.h"

#include <string.h>

#include "kernels/kernels.h"

struct rounding rounding_of(const char *tensor, uint64_t seed, uint64_t version)
{
    return (struct rounding){
        .key = hash_seeded(tensor, strlen(tensor), seed),
        .version = version,
    };
}

void rounding_draws(const struct rounding *r, uint64_t first, size_t n, float *out)
{
    kernels->draws(out, n, first, r->key, r->version);
}
