/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a PushResponse, read by us and by protobuf-c: the same rules as for requests. */
#include "fuzz/check.h"
#include "tests/push_compare.h"

#define CAP ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_rewrite(const struct push_reply *ours, Embd__V1__PushResponse *theirs)
{
    size_t size = push_reply_size(ours);
    unsigned char *written = malloc(size ? size : 1), *packed;
    unsigned unknown = theirs->base.n_unknown_fields;

    theirs->base.n_unknown_fields = 0; /* which it would write again */
    CHECK(embd__v1__push_response__get_packed_size(theirs) == size);
    packed = malloc(size ? size : 1);
    CHECK(written && packed);
    push_reply_write(ours, written);
    embd__v1__push_response__pack(theirs, packed);
    CHECK(memcmp(written, packed, size) == 0);
    theirs->base.n_unknown_fields = unknown;
    free(packed);
    free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Embd__V1__PushResponse *theirs = embd__v1__push_response__unpack(NULL, n, data);
    struct push_reply ours;
    struct arena arena;
    enum status st;

    arena_init(&arena, CAP);
    st = push_reply_read(&ours, data, n, &arena, NULL);
    if (st == ST_OK) {
        CHECK(theirs);
        CHECK_SAME(push_reply_difference(&ours, theirs));
        check_rewrite(&ours, theirs);
    } else {
        CHECK(st == ST_INTERNAL);
        CHECK(!theirs || push_reply_refused(data, n));
    }
    if (theirs)
        embd__v1__push_response__free_unpacked(theirs, NULL);
    arena_done(&arena);
    return 0;
}
