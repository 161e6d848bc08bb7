/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes -> .npy header. What is accepted adds up, and our own header for it says the same. */
#include <string.h>

#include "fuzz/check.h"
#include "table/npy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char header[256];
    struct tensor t, again;
    uint64_t offset, place;
    struct error e;
    size_t n;

    if (npy_parse(&t, &offset, data, size, size, &e) != ST_OK)
        return 0;
    CHECK(offset <= size && t.bytes == size - offset);
    CHECK(t.rank <= TENSOR_RANK_MAX && t.bytes == t.count * dtype_size(t.dtype));
    n = npy_header(header, &t);
    CHECK(n <= sizeof header);
    CHECK(npy_parse(&again, &place, header, n, n + t.bytes, &e) == ST_OK);
    CHECK(place == n && again.dtype == t.dtype && again.rank == t.rank && again.bytes == t.bytes);
    CHECK(!memcmp(again.shape, t.shape, t.rank * sizeof t.shape[0]));
    return 0;
}
