/* SPDX-License-Identifier: Apache-2.0 */
/* A whole LookupResponse, written as the daemon writes it piece by piece. For the unit tests and
   the fuzz targets. */
#pragma once

#include <string.h>

#include "proto/lookup_coding.h"

/* Write lookup_reply_size() bytes to `out`. `values` has those of each result; where it is NULL, or
   an element of it, the room for them stays as it is. */
static inline void reply_write(const struct table_vectors *v, size_t count, uint64_t lsn,
                               const void *const *values, void *out)
{
    unsigned char *p = out;

    for (size_t i = 0; i < count; i++) {
        p += lookup_reply_head(&v[i], p);
        if (values && values[i] && v[i].value_bytes)
            memcpy(p, values[i], v[i].value_bytes);
        p += v[i].value_bytes;
        p += lookup_reply_tail(&v[i], p);
    }
    lookup_reply_end(lsn, p);
}
