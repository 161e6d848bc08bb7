/* SPDX-License-Identifier: Apache-2.0 */
/* What methods that train integers share. For their files. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* out[j] = q[j] for elements that moved from before[j] to after[j], or, with `whole`, for all; the
   others keep old[j]. By masks, which compilers make vectors of. */
#define INTEGERS_TAKE(NAME, TYPE)                                                                  \
    static inline void NAME(TYPE *restrict out, const TYPE *restrict old,                          \
                            const int32_t *restrict q, const float *restrict before,               \
                            const float *restrict after, size_t n, bool whole)                     \
    {                                                                                              \
        for (size_t j = 0; j < n; j++) {                                                           \
            int32_t take = -((after[j] != before[j]) | whole);                                     \
                                                                                                   \
            out[j] = (TYPE)((q[j] & take) | (old[j] & ~take));                                     \
        }                                                                                          \
    }

INTEGERS_TAKE(integers_take_bytes, uint8_t)
INTEGERS_TAKE(integers_take_words, uint16_t)
#undef INTEGERS_TAKE
