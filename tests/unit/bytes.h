/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes written as hex in a test, on the heap at their exact size, so that a sanitizer sees the
   first byte read past them. */
#pragma once

#include "tests/unit/unit.h"

struct bytes_of {
    unsigned char *data;
    size_t size;
};

static inline struct bytes_of bytes_copy(const void *data, size_t n)
{
    struct bytes_of b = {malloc(n ? n : 1), n};

    assert_non_null(b.data);
    if (n)
        memcpy(b.data, data, n);
    return b;
}

static inline struct bytes_of bytes_of(const char *hex)
{
    unsigned char buffer[4096];
    size_t n = 0;

    for (; *hex; hex++) {
        unsigned byte;

        if (*hex == ' ')
            continue;
        assert_int_equal(sscanf(hex, "%2x", &byte), 1);
        assert_true(n < sizeof buffer);
        buffer[n++] = (unsigned char)byte;
        hex++;
    }
    return bytes_copy(buffer, n);
}

static inline void bytes_free(struct bytes_of *b)
{
    free(b->data);
}
