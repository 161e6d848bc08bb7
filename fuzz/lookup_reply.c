/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a LookupResponse, read by us and by protobuf-c: the same rules as for requests. What we
   took is laid out again as the daemon does it, and protobuf-c reads the same from it. */
#include "fuzz/check.h"
#include "proto/lookup_coding.h"
#include "proto/wire.h"
#include "tests/lookup_compare.h"
#include "tests/reply_write.h"

#define CAP ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_rewrite(struct table_vectors *v, size_t count, uint64_t lsn, struct arena *arena)
{
    const void **values = arena_alloc(arena, count, sizeof *values);
    Embd__V1__LookupResponse *theirs;
    unsigned char *written;
    size_t size;

    CHECK(values);
    for (size_t i = 0; i < count; i++) { /* what was received becomes what is sent */
        uint32_t *missing = arena_alloc(arena, v[i].missing_count, 4);

        CHECK(missing);
        for (size_t j = 0; j < v[i].missing_count; j++)
            missing[j] = wire_get_u32((const char *)v[i].received_missing.data + 4 * j);
        v[i].missing = missing;
        values[i] = v[i].received_values.data;
    }
    size = lookup_reply_size(v, count, lsn);
    written = malloc(size ? size : 1);
    CHECK(written);
    reply_write(v, count, lsn, values, written);
    theirs = embd__v1__lookup_response__unpack(NULL, size, written);
    CHECK(theirs);
    CHECK_SAME(reply_difference(v, count, lsn, theirs));
    CHECK(embd__v1__lookup_response__get_packed_size(theirs) == size); /* nothing was left over */
    embd__v1__lookup_response__free_unpacked(theirs, NULL);
    free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Embd__V1__LookupResponse *theirs = embd__v1__lookup_response__unpack(NULL, n, data);
    struct table_vectors *v;
    struct arena arena;
    size_t count;
    uint64_t lsn;
    enum status st;

    arena_init(&arena, CAP);
    st = lookup_reply_read(&v, &count, &lsn, data, n, &arena, NULL);
    if (st == ST_OK) {
        CHECK(theirs);
        CHECK_SAME(reply_difference(v, count, lsn, theirs));
        check_rewrite(v, count, lsn, &arena);
    } else {
        CHECK(st == ST_INTERNAL);
        CHECK(!theirs || reply_refused(data, n, theirs));
    }
    if (theirs)
        embd__v1__lookup_response__free_unpacked(theirs, NULL);
    arena_done(&arena);
    return 0;
}
