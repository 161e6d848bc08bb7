/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a LookupRequest, read by us and by protobuf-c. Both take it and find the same, or both
   refuse it, but for the differences that tests/wire_compare.h lists. What we took we write
   again: the bytes are those that protobuf-c writes, and mean the same to both. */
#include "fuzz/check.h"
#include "proto/lookup_coding.h"
#include "tests/lookup_compare.h"

#define CAP ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* protobuf-c keeps unknown fields, and would write them again. */
static void forget_unknown(ProtobufCMessage *message, unsigned *counts)
{
    *counts = message->n_unknown_fields;
    message->n_unknown_fields = 0;
}

static void check_rewrite(const struct lookup_request *ours, Embd__V1__LookupRequest *theirs)
{
    size_t size = lookup_request_size(ours), unknown_size = theirs->n_lookups + 1;
    unsigned *unknown = malloc(unknown_size * sizeof *unknown);
    unsigned char *written = malloc(size ? size : 1), *packed;
    struct lookup_request again;
    struct arena arena;
    bool nul = false;

    CHECK(unknown && written);
    lookup_request_write(ours, written);
    arena_init(&arena, CAP);
    CHECK(lookup_request_read(&again, written, size, &arena, NULL) == ST_OK);
    CHECK_SAME(request_difference(&again, theirs));
    CHECK(lookup_request_size(&again) == size && again.ids == ours->ids);
    arena_done(&arena);

    for (size_t i = 0; i < ours->count; i++)
        nul |= ours->lookup[i].table.size != strlen(theirs->lookups[i]->table);
    if (!nul) { /* else the names that they write are shorter */
        forget_unknown(&theirs->base, &unknown[theirs->n_lookups]);
        for (size_t i = 0; i < theirs->n_lookups; i++)
            forget_unknown(&theirs->lookups[i]->base, &unknown[i]);
        CHECK(embd__v1__lookup_request__get_packed_size(theirs) == size);
        packed = malloc(size ? size : 1);
        CHECK(packed);
        embd__v1__lookup_request__pack(theirs, packed);
        CHECK(memcmp(packed, written, size) == 0);
        free(packed);
        theirs->base.n_unknown_fields = unknown[theirs->n_lookups];
        for (size_t i = 0; i < theirs->n_lookups; i++)
            theirs->lookups[i]->base.n_unknown_fields = unknown[i];
    }
    free(written);
    free(unknown);
}

static void check_small_cap(const uint8_t *data, size_t n, enum status without)
{
    struct lookup_request r;
    struct arena arena;
    enum status st;

    arena_init(&arena, n);
    st = lookup_request_read(&r, data, n, &arena, NULL);
    CHECK(st == without || st == ST_EXHAUSTED);
    CHECK(arena.used <= n);
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Embd__V1__LookupRequest *theirs = embd__v1__lookup_request__unpack(NULL, n, data);
    struct lookup_request ours;
    struct arena arena;
    enum status st;

    arena_init(&arena, CAP);
    st = lookup_request_read(&ours, data, n, &arena, NULL);
    if (st == ST_OK) {
        CHECK(theirs);
        CHECK_SAME(request_difference(&ours, theirs));
        check_rewrite(&ours, theirs);
    } else {
        CHECK(st == ST_INTERNAL);
        CHECK(!theirs || request_refused(data, n));
    }
    check_small_cap(data, n, st);
    if (theirs)
        embd__v1__lookup_request__free_unpacked(theirs, NULL);
    arena_done(&arena);
    return 0;
}
