/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting a codebook and codes: what mgqe and dpq share. */
#pragma once

#include "fits/fit.h"
#include "methods/codes.h"

/* Where the codes of rows go, one row after the other. */
struct code_stream {
    unsigned char *to;
    uint64_t bytes; /* of a row */
    unsigned bits;
};

struct code_fit {
    const struct fit *fit;
    struct codebook book;
    /* Rows choose from the first k_low vectors, those whose bit is set in `map` from all k. NULL:
       k is k_low, and there are none. */
    size_t k, k_low;
    const unsigned char *map;
    /* The codes of rows that are not in the map, and of those that are; both the same place where
       all codes lie in one array. */
    struct code_stream stream[2];
    bool one_stream;
    double from; /* the share of the whole fit that is done before */
};

static inline struct code_stream code_stream_of(const struct code_array *a)
{
    return (struct code_stream){a->tensor->data, code_bytes(a->parts, a->bits), a->bits};
}

/* Train the vectors on a sample of the rows, then give every row its codes. Reads the table three
   times. */
MUST_CHECK enum status codes_fit(const struct code_fit *c, struct error *e);
