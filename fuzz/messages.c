/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as each of the messages that protobuf-c reads for us: the first byte is which, the second
   the cap of the arena. The cap holds; whatever is taken, protobuf-c alone takes too; and packed
   again it is taken again. */
#include "fuzz/check.h"
#include "proto/capped.h"
#include "proto/embd.pb-c.h"
#include "proto/health.pb-c.h"
#include "proto/reflection.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Appended to only: the corpus knows them by their place. */
static const ProtobufCMessageDescriptor *const types[] = {
    &embd__v1__load_request__descriptor,
    &embd__v1__unload_request__descriptor,
    &embd__v1__list_request__descriptor,
    &embd__v1__describe_request__descriptor,
    &embd__v1__stats_request__descriptor,
    &grpc__health__v1__health_check_request__descriptor,
    &grpc__reflection__v1__server_reflection_request__descriptor,
    &embd__v1__list_response__descriptor,
    &embd__v1__describe_response__descriptor,
    &embd__v1__load_response__descriptor,
    &embd__v1__unload_response__descriptor,
    &embd__v1__stats_response__descriptor,
    &grpc__health__v1__health_list_response__descriptor,
    &grpc__reflection__v1__server_reflection_response__descriptor,
};

static void check_repack(const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    unsigned char *packed = malloc(size ? size : 1);
    ProtobufCMessage *again;
    struct arena arena;

    CHECK(packed);
    CHECK(protobuf_c_message_pack(message, packed) == size);
    arena_init(&arena, (size_t)64 << 20);
    CHECK(proto_unpack(&again, message->descriptor, packed, size, &arena, NULL) == ST_OK);
    CHECK(protobuf_c_message_get_packed_size(again) == size);
    arena_done(&arena);
    free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const ProtobufCMessageDescriptor *d;
    ProtobufCMessage *message, *alone;
    struct arena arena;
    struct error e;
    enum status st;
    size_t cap;

    if (n < 2)
        return 0;
    d = types[data[0] % (sizeof types / sizeof types[0])];
    cap = data[1] == 255 ? (size_t)64 << 20 : data[1] * (size_t)32;
    arena_init(&arena, cap);
    st = proto_unpack(&message, d, data + 2, n - 2, &arena, &e);
    CHECK(arena.used <= cap);
    CHECK(st == ST_OK || st == ST_INTERNAL || st == ST_INVALID ||
          (st == ST_EXHAUSTED && cap < (size_t)64 << 20));
    alone = protobuf_c_message_unpack(d, NULL, n - 2, data + 2);
    CHECK(alone || st == ST_INTERNAL || st == ST_EXHAUSTED);
    if (st == ST_OK)
        check_repack(message);
    if (alone)
        protobuf_c_message_free_unpacked(alone, NULL);
    arena_done(&arena);
    return 0;
}
