/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as a PushRequest, read by us and by protobuf-c. Both take it and find the same, or both
   refuse it, but for the differences that tests/wire_compare.h lists. What we took we write again:
   the bytes are those that protobuf-c writes, and mean the same to both. */
#include "fuzz/check.h"
#include "tests/push_compare.h"

#define CAP ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Bytes that protobuf-c would write for what it read, but for the unknown fields that it keeps; 0
   if it would write another message because it cuts texts at a NUL. */
static size_t pack_theirs(unsigned char **out, Embd__V1__PushRequest *theirs,
                          const struct push_request *ours)
{
    unsigned *unknown = malloc((theirs->n_pushes + 1) * sizeof *unknown);
    bool nul = ours->trainer.size != strlen(theirs->trainer);
    size_t size = 0;

    CHECK(unknown);
    for (size_t i = 0; i < ours->count; i++)
        nul |= ours->push[i].table.size != strlen(theirs->pushes[i]->table);
    for (size_t i = 0; i <= theirs->n_pushes; i++) {
        ProtobufCMessage *m = i < theirs->n_pushes ? &theirs->pushes[i]->base : &theirs->base;

        unknown[i] = m->n_unknown_fields;
        m->n_unknown_fields = 0;
    }
    if (!nul) {
        size = embd__v1__push_request__get_packed_size(theirs);
        *out = malloc(size + 1);
        CHECK(*out);
        embd__v1__push_request__pack(theirs, *out);
    }
    for (size_t i = 0; i <= theirs->n_pushes; i++)
        (i < theirs->n_pushes ? &theirs->pushes[i]->base : &theirs->base)->n_unknown_fields =
            unknown[i];
    free(unknown);
    return size;
}

static void check_rewrite(const struct push_request *ours, Embd__V1__PushRequest *theirs)
{
    size_t size = push_request_size(ours), theirs_size;
    unsigned char *written = malloc(size ? size : 1), *packed = NULL;
    struct push_request again;
    struct arena arena;

    CHECK(written);
    push_request_write(ours, written);
    arena_init(&arena, CAP);
    CHECK(push_request_read(&again, written, size, &arena, NULL) == ST_OK);
    CHECK_SAME(push_difference(&again, theirs));
    CHECK(push_request_size(&again) == size && again.ids == ours->ids);
    arena_done(&arena);
    theirs_size = pack_theirs(&packed, theirs, ours);
    CHECK(!packed || (theirs_size == size && memcmp(packed, written, size) == 0));
    free(packed);
    free(written);
}

static void check_small_cap(const uint8_t *data, size_t n, enum status without)
{
    struct push_request r;
    struct arena arena;
    enum status st;

    arena_init(&arena, n);
    st = push_request_read(&r, data, n, &arena, NULL);
    CHECK(st == without || st == ST_EXHAUSTED);
    CHECK(arena.used <= n);
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    Embd__V1__PushRequest *theirs = embd__v1__push_request__unpack(NULL, n, data);
    struct push_request ours;
    struct arena arena;
    enum status st;

    arena_init(&arena, CAP);
    st = push_request_read(&ours, data, n, &arena, NULL);
    if (st == ST_OK) {
        CHECK(theirs);
        CHECK_SAME(push_difference(&ours, theirs));
        check_rewrite(&ours, theirs);
    } else {
        CHECK(st == ST_INTERNAL);
        CHECK(!theirs || push_refused(data, n));
    }
    check_small_cap(data, n, st);
    if (theirs)
        embd__v1__push_request__free_unpacked(theirs, NULL);
    arena_done(&arena);
    return 0;
}
