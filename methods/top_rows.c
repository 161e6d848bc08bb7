/* SPDX-License-Identifier: Apache-2.0 */
/* Selection by counting: the key's digits from the highest to the lowest, one pass each. */
#include "methods/top_rows.h"

#include <stddef.h>

#define DIGIT 11 /* bits */
#define DIGITS 3
#define BUCKETS (1 << DIGIT)

struct top_rows top_rows(const float *weight, uint64_t n, uint64_t count)
{
    uint64_t bucket[BUCKETS], left = count < n ? count : n;
    uint32_t prefix = 0; /* of the least key, as far as it is known */

    if (!left)
        return (struct top_rows){.least = UINT32_MAX};
    for (int digit = DIGITS - 1; weight && digit >= 0; digit--) {
        int shift = digit * DIGIT, b = BUCKETS - 1;

        memset(bucket, 0, sizeof bucket);
        for (uint64_t i = 0; i < n; i++) {
            uint32_t key = top_key(weight[i]);

            if ((uint64_t)key >> (shift + DIGIT) == (uint64_t)prefix >> (shift + DIGIT))
                bucket[key >> shift & (BUCKETS - 1)]++;
        }
        for (; b > 0 && bucket[b] < left; b--)
            left -= bucket[b];
        prefix |= (uint32_t)b << shift;
    }
    return (struct top_rows){.least = prefix, .ties = left};
}
