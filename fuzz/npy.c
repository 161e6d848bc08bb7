/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes -> .npy header. What is accepted adds up, and our own header for it says the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char header[256];
    struct tensor t, again;
    uint64_t offset, place;
    struct error e;
    size_t n;

    if (npy_parse(&t, &offset, data, size, size, &e) != ST_OK)
        return 0;
    must(offset <= size && t.bytes == size - offset, "sizes do not add up");
    must(t.rank <= TENSOR_RANK_MAX && t.bytes == t.count * dtype_size(t.dtype),
         "shape does not add up");
    n = npy_header(header, &t);
    must(n <= sizeof header, "header too long");
    must(npy_parse(&again, &place, header, n, n + t.bytes, &e) == ST_OK, "our header is refused");
    must(place == n && again.dtype == t.dtype && again.rank == t.rank && again.bytes == t.bytes &&
             !memcmp(again.shape, t.shape, t.rank * sizeof t.shape[0]),
         "our header says something else");
    return 0;
}
