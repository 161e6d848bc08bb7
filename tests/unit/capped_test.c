/* SPDX-License-Identifier: Apache-2.0 */
/* protobuf-c behind its scan and on an arena with a cap. */
#include "proto/capped.h"

#include "base/memory.h"
#include "proto/embd.pb-c.h"
#include "proto/health.pb-c.h"
#include "proto/reflection.pb-c.h"
#include "proto/wire.h"
#include "tests/unit/bytes.h"

static enum status unpack(const ProtobufCMessageDescriptor *d, const char *hex, size_t cap,
                          struct error *e)
{
    struct bytes_of m = bytes_of(hex);
    ProtobufCMessage *message = (void *)1;
    struct arena arena;
    enum status st;

    e->text[0] = '\0';
    arena_init(&arena, cap);
    st = proto_unpack(&message, d, m.data, m.size, &arena, e);
    assert_true(arena.used <= cap);
    if (st == ST_OK)
        assert_ptr_equal(message->descriptor, d);
    else
        assert_true(message == (void *)1 && e->text[0]);
    arena_done(&arena);
    bytes_free(&m);
    return st;
}

static void test_messages_are_unpacked_into_the_arena(void **state)
{
    struct bytes_of m =
        bytes_of("0a 01 74 12 05 612e656d62 18 01 22 0e 0a06 6d656d6f7279 1204 6c6f636b 38 07");
    const Embd__V1__LoadRequest *request;
    ProtobufCMessage *message;
    struct arena arena;
    struct error e;

    (void)state;
    arena_init(&arena, proto_cap(m.size));
    assert_ok(
        proto_unpack(&message, &embd__v1__load_request__descriptor, m.data, m.size, &arena, &e), e);
    memset(m.data, 0xee, m.size); /* nothing points into the message */
    request = (const Embd__V1__LoadRequest *)message;
    assert_string_equal(request->table, "t");
    assert_string_equal(request->file, "a.emb");
    assert_true(request->replace);
    assert_int_equal(request->n_options, 1);
    assert_string_equal(request->options[0]->key, "memory");
    assert_string_equal(request->options[0]->value, "lock");
    assert_int_equal(request->base.n_unknown_fields, 1);
    arena_done(&arena);
    bytes_free(&m);
}

static void test_statuses_keep_apart(void **state)
{
    const ProtobufCMessageDescriptor *load = &embd__v1__load_request__descriptor;
    const ProtobufCMessageDescriptor *describe = &embd__v1__describe_response__descriptor;
    const ProtobufCMessageDescriptor *reply = &embd__v1__lookup_response__descriptor;
    const ProtobufCMessageDescriptor *health = &grpc__health__v1__health_list_response__descriptor;
    const ProtobufCMessageDescriptor *reflection =
        &grpc__reflection__v1__server_reflection_request__descriptor;
    const struct {
        const char *name;
        const ProtobufCMessageDescriptor *d;
        const char *hex;
        enum status status;
        const char *words;
    } cases[] = {
        {"nothing", load, "", ST_OK, ""},
        {"cut tag", load, "80", ST_INTERNAL, "LoadRequest"},
        {"cut string", load, "0a 02 61", ST_INTERNAL, "LoadRequest"},
        {"field 0", load, "00 00", ST_INTERNAL, "malformed"},
        {"group", load, "2b 2c", ST_INTERNAL, "malformed"},
        {"unknown", load, "28 01 32 00", ST_OK, ""},
        {"string as a number", load, "08 01", ST_INTERNAL, "LoadRequest.table"},
        {"bool as bytes", load, "1a 01 01", ST_INTERNAL, "LoadRequest.replace"},
        {"bool as fixed32", load, "1d 01000000", ST_INTERNAL, "LoadRequest.replace"},
        {"not UTF-8", load, "0a 01 ff", ST_INTERNAL, "LoadRequest.table is not UTF-8"},
        {"not UTF-8 inside", load, "22 04 1202 c080", ST_INTERNAL, "TableOption.value is not UTF"},
        {"NUL", load, "12 03 610062", ST_INVALID, "LoadRequest.file holds a NUL"},
        {"NUL inside", load, "22 05 0a03 610062", ST_INVALID, "TableOption.key holds a NUL"},
        {"NUL alone", load, "0a 01 00", ST_INVALID, "LoadRequest.table holds a NUL"},
        {"NUL, then replaced", load, "0a 01 00 0a 01 61", ST_INVALID, "LoadRequest.table"},
        {"NUL and malformed", load, "0a 01 00 80", ST_INTERNAL, "malformed"},
        {"NUL in an unknown field", load, "32 01 00", ST_OK, ""},
        {"NUL in bytes", reply, "0a 03 2201 00", ST_OK, ""},
        {"not UTF-8 in bytes", reply, "0a 03 2201 ff", ST_OK, ""},
        {"NUL two deep", describe, "0a 03 0a01 00", ST_INVALID, "TableInfo.name"},
        {"NUL in a repeated string", describe, "32 00 32 03 0a01 00", ST_INVALID,
         "TensorInfo.name"},
        {"NUL in a map", health, "0a 05 0a01 00 1200", ST_INVALID, "StatusesEntry.key"},
        {"map", health, "0a 07 0a01 61 12020801", ST_OK, ""},
        {"NUL in a oneof", reflection, "22 01 00", ST_INVALID, "file_containing_symbol"},
        {"oneof twice", reflection, "22 01 61 2a 02 1001 3a 00", ST_OK, ""},
        {"packed", describe, "2a 03 01ac02", ST_OK, ""},
        {"packed cut", describe, "2a 02 01ac", ST_INTERNAL, "malformed"},
        {"unpacked", describe, "28 01 28 02", ST_OK, ""},
        {"packed, another type", describe, "29 0100000000000000", ST_INTERNAL, "fields"},
        {"fixed64", describe, "49 0100000000000000", ST_OK, ""},
        {"double as fixed32", describe, "0a 05 65 00000000", ST_INTERNAL, "TableInfo.ratio"},
        {"message as a number", describe, "08 01", ST_INTERNAL, "DescribeResponse.table"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error e;
        enum status st = unpack(cases[i].d, cases[i].hex, 1 << 20, &e);

        if (st != cases[i].status || !strstr(e.text, cases[i].words))
            fail_msg("%s: %s (%s)", cases[i].name, status_name(st), e.text);
    }
}

static void test_amplifiers_meet_the_cap(void **state)
{
    enum { MANY = 1 << 20 };
    /* Each pair of bytes is: an empty TableOption, an empty table name, an unknown field. */
    static const unsigned char tags[] = {0x22, 0x0a, 0x28};
    unsigned char *m = malloc(2 * (size_t)MANY);

    (void)state;
    assert_non_null(m);
    for (size_t t = 0; t < sizeof tags; t++) {
        ProtobufCMessage *message;
        struct arena arena;
        struct error e;

        for (size_t i = 0; i < MANY; i++) {
            m[2 * i] = tags[t];
            m[2 * i + 1] = 0;
        }
        arena_init(&arena, proto_cap(2 * (size_t)MANY));
        assert_fails(proto_unpack(&message, &embd__v1__load_request__descriptor, m,
                                  2 * (size_t)MANY, &arena, &e),
                     ST_EXHAUSTED, e, "a message of 2097152 bytes needs more than 16842752 bytes");
        assert_true(arena.used <= arena.cap);
        arena_done(&arena);
    }
    free(m);
}

/* The cap does not stand in the way of what the daemon really answers. */
static void test_large_honest_messages_fit(void **state)
{
    enum { ROWS = 2000, BUCKETS = 280 };
    static uint64_t buckets[BUCKETS];
    Embd__V1__StatsRow *rows[ROWS];
    Embd__V1__StatsResponse reply = EMBD__V1__STATS_RESPONSE__INIT;
    ProtobufCMessage *message;
    unsigned char *packed;
    struct arena arena;
    struct error e;
    size_t n;

    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        rows[i] = malloc(sizeof *rows[i]);
        assert_non_null(rows[i]);
        embd__v1__stats_row__init(rows[i]);
        rows[i]->table = (char *)"words";
        rows[i]->call = (char *)"Lookup";
        rows[i]->start = 1700000000;
        rows[i]->mean_us = rows[i]->p50_us = rows[i]->max_us = 1.5;
        rows[i]->n_buckets = BUCKETS; /* all zero: the most memory for their bytes */
        rows[i]->buckets = buckets;
    }
    reply.n_rows = ROWS;
    reply.rows = rows;
    packed = malloc(embd__v1__stats_response__get_packed_size(&reply));
    assert_non_null(packed);
    n = embd__v1__stats_response__pack(&reply, packed);
    arena_init(&arena, proto_cap(n));
    assert_ok(proto_unpack(&message, &embd__v1__stats_response__descriptor, packed, n, &arena, &e),
              e);
    assert_int_equal(((Embd__V1__StatsResponse *)message)->n_rows, ROWS);
    arena_done(&arena);
    free(packed);
    for (size_t i = 0; i < ROWS; i++)
        free(rows[i]);
}

/* descriptor.proto's own shape, a message that contains itself, made by hand. */
static void test_nesting_is_bounded(void **state)
{
    static ProtobufCMessageDescriptor self;
    static const ProtobufCFieldDescriptor field = {
        .name = "self",
        .id = 1,
        .label = PROTOBUF_C_LABEL_NONE,
        .type = PROTOBUF_C_TYPE_MESSAGE,
        .offset = sizeof(ProtobufCMessage),
        .descriptor = &self,
    };
    static const ProtobufCIntRange ranges[] = {{1, 0}, {0, 1}};
    static const unsigned by_name[] = {0};
    enum { DEPTH = 16000, ROOM = DEPTH * 5 };
    unsigned char *buffer = malloc(ROOM), *p = buffer + ROOM;

    (void)state;
    assert_non_null(buffer);
    self = (ProtobufCMessageDescriptor){
        .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
        .name = "Self",
        .short_name = "Self",
        .sizeof_message = sizeof(ProtobufCMessage) + sizeof(void *),
        .n_fields = 1,
        .fields = &field,
        .fields_sorted_by_name = by_name,
        .n_field_ranges = 1,
        .field_ranges = ranges,
    };
    for (size_t depth = 0; depth <= DEPTH; depth++) { /* from the inside out */
        ProtobufCMessage *message;
        struct arena arena;
        struct error e = {""};
        size_t n = (size_t)(buffer + ROOM - p);
        enum status st;

        if (depth < 40 || depth == DEPTH) {
            arena_init(&arena, 1 << 20);
            st = proto_unpack(&message, &self, p, n, &arena, &e);
            assert_int_equal(st, depth <= 32 ? ST_OK : ST_INTERNAL);
            assert_true(st == ST_OK || strstr(e.text, "more than 32 messages"));
            arena_done(&arena);
        }
        if (depth < DEPTH) {
            p -= 1 + wire_varint_size(n);
            wire_put_varint(wire_put_tag(p, 1, WIRE_BYTES), n);
        }
    }
    free(buffer);
}

#ifdef EMBD_DEVELOPER
static void test_no_memory_is_exhausted_and_not_malformed(void **state)
{
    struct bytes_of m = bytes_of("0a 01 74 22 0e 0a06 6d656d6f7279 1204 6c6f636b 38 07");
    enum status st = ST_EXHAUSTED;

    (void)state;
    for (uint64_t n = 1; st != ST_OK; n++) {
        ProtobufCMessage *message;
        struct arena arena;
        struct error e;

        arena_init(&arena, 1 << 20);
        mem_fail_at(n, true);
        st =
            proto_unpack(&message, &embd__v1__load_request__descriptor, m.data, m.size, &arena, &e);
        assert_int_equal(st, mem_failed() ? ST_EXHAUSTED : ST_OK);
        mem_fail_at(0, false);
        arena_done(&arena);
        assert_true(n < 10);
    }
    bytes_free(&m);
}
#endif

/* Every cap from nothing up: each allocation is the one that fails once. */
static void test_every_cap_gives_a_status(void **state)
{
    const char *hex = "0a 01 74 12 05 612e656d62 18 01 22 0e 0a06 6d656d6f7279 1204 6c6f636b 38 07";
    size_t cap = 0;

    (void)state;
    for (enum status st = ST_EXHAUSTED; st != ST_OK; cap++) {
        struct error e;

        st = unpack(&embd__v1__load_request__descriptor, hex, cap, &e);
        assert_true(st == ST_OK || st == ST_EXHAUSTED);
    }
    assert_true(cap > 200 && cap < 4096);
}

static void test_cap_of_a_size(void **state)
{
    (void)state;
    assert_int_equal(proto_cap(0), 65536);
    assert_int_equal(proto_cap(1000), 73536);
    assert_int_equal(proto_cap(SIZE_MAX / 8), SIZE_MAX);
    assert_int_equal(proto_cap(SIZE_MAX), SIZE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_are_unpacked_into_the_arena),
        cmocka_unit_test(test_statuses_keep_apart),
        cmocka_unit_test(test_amplifiers_meet_the_cap),
        cmocka_unit_test(test_large_honest_messages_fit),
        cmocka_unit_test(test_nesting_is_bounded),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_no_memory_is_exhausted_and_not_malformed),
#endif
        cmocka_unit_test(test_every_cap_gives_a_status),
        cmocka_unit_test(test_cap_of_a_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
