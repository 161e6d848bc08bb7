/* SPDX-License-Identifier: Apache-2.0 */
/* LookupRequests that are wrong, or right in an unusual way: what we say, and what protobuf-c says.
 */
#include "proto/lookup_coding.h"

#include "proto/wire.h"
#include "tests/lookup_compare.h"
#include "tests/unit/bytes.h"

#define LIMIT ((size_t)1 << 20)

static const struct wrong_case {
    const char *name, *hex;
    enum status status;
} cases[] = {
    /* The frame of the request */
    {"cut tag", "80", ST_INTERNAL},
    {"tag of six bytes", "908080808000 01", ST_INTERNAL},
    {"field 0 as a number", "00 01", ST_INTERNAL},
    {"field 0 as bytes", "02 00", ST_INTERNAL},
    {"field 0 in two bytes", "8000 01", ST_INTERNAL},
    {"field 2^29", "8080808010 01", ST_INTERNAL},
    {"field 2^29 + 1 as bytes", "8a80808010 00", ST_INTERNAL},
    {"group of an unknown field", "23 24", ST_INTERNAL},
    {"group of a known field", "0b 0c", ST_INTERNAL},
    {"group that nobody began", "24", ST_INTERNAL},
    {"wire type 6", "16", ST_INTERNAL},
    {"wire type 7", "17", ST_INTERNAL},
    {"unknown number without its varint", "20", ST_INTERNAL},
    {"unknown fixed32 cut", "25 000000", ST_INTERNAL},
    {"unknown fixed64 cut", "21 00000000000000", ST_INTERNAL},
    {"unknown bytes cut", "22 02 00", ST_INTERNAL},
    {"unknown varint of eleven bytes", "20 8080808080808080808000", ST_INTERNAL},
    /* Fields of the request */
    {"format without its varint", "10", ST_INTERNAL},
    {"format cut", "10 80", ST_INTERNAL},
    {"format of eleven bytes", "10 8080808080808080808001", ST_INTERNAL},
    {"format as bytes", "12 01 01", ST_INTERNAL},
    {"format as no bytes", "12 00", ST_INTERNAL},
    {"format as fixed32", "15 01000000", ST_INTERNAL},
    {"format as fixed64", "11 0100000000000000", ST_INTERNAL},
    {"missing as bytes", "1a 01 01", ST_INTERNAL},
    {"missing as fixed32", "1d 01000000", ST_INTERNAL},
    {"missing as fixed64", "19 0100000000000000", ST_INTERNAL},
    {"lookups as a number", "08 01", ST_INTERNAL},
    {"lookups as fixed32", "0d 01000000", ST_INTERNAL},
    {"lookups as fixed64", "09 0100000000000000", ST_INTERNAL},
    {"lookup without its length", "0a", ST_INTERNAL},
    {"lookup past the end", "0a 01", ST_INTERNAL},
    {"lookup of 127 bytes of which 1 is there", "0a 7f 00", ST_INTERNAL},
    {"lookup of 2^31 bytes", "0a 8080808008 0800", ST_INTERNAL},
    {"lookup of 2^32 - 1 bytes", "0a ffffffff0f 0800", ST_INTERNAL},
    {"lookup of 2^32 bytes", "0a 8080808010 0800", ST_INTERNAL},
    {"lookup of 2^64 - 1 bytes", "0a ffffffffffffffffff01 00", ST_INTERNAL},
    {"length of six bytes", "0a 828080808000 1800", ST_INTERNAL},
    {"second lookup bad", "0a 02 1801 0a 01 18", ST_INTERNAL},
    {"good lookup, then rubbish", "0a 02 1801 ff", ST_INTERNAL},
    /* The frame of a lookup */
    {"lookup: cut tag", "0a 01 80", ST_INTERNAL},
    {"lookup: field 0", "0a 02 0001", ST_INTERNAL},
    {"lookup: field 2^29", "0a 06 8080808010 01", ST_INTERNAL},
    {"lookup: group", "0a 02 3b3c", ST_INTERNAL},
    {"lookup: wire type 6", "0a 01 1e", ST_INTERNAL},
    {"lookup: bytes beyond it, within the request", "0a 03 0a0261 1800", ST_INTERNAL},
    {"lookup: unknown varint cut", "0a 02 3880", ST_INTERNAL},
    /* Fields of a lookup */
    {"table as a number", "0a 02 0801", ST_INTERNAL},
    {"table as fixed32", "0a 05 0d61626364", ST_INTERNAL},
    {"table as fixed64", "0a 09 096162636465666768", ST_INTERNAL},
    {"table: a byte that begins nothing", "0a 03 0a01ff", ST_INTERNAL},
    {"table: a lone continuation", "0a 03 0a0180", ST_INTERNAL},
    {"table: overlong NUL", "0a 04 0a02c080", ST_INTERNAL},
    {"table: surrogate", "0a 05 0a03eda080", ST_INTERNAL},
    {"table: above U+10FFFF", "0a 06 0a04f4908080", ST_INTERNAL},
    {"table: cut character", "0a 04 0a02e282", ST_INTERNAL},
    {"table: bad, then replaced", "0a 06 0a01ff 0a0161", ST_INTERNAL},
    {"table: bad behind a NUL", "0a 05 0a0361 00ff", ST_INTERNAL},
    {"ids of 1 byte", "0a 03 120100", ST_INTERNAL},
    {"ids of 7 bytes", "0a 09 120700000000000000", ST_INTERNAL},
    {"ids of 9 bytes", "0a 0b 1209000000000000000000", ST_INTERNAL},
    {"ids of 12 bytes", "0a 0e 120c000000000000000000000000", ST_INTERNAL},
    {"ids as a number", "0a 02 1001", ST_INTERNAL},
    {"ids as fixed32", "0a 05 1500000000", ST_INTERNAL},
    {"an id cut", "0a 08 1100000000000000", ST_INTERNAL},
    {"ids: a good piece and a bad one", "0a 0d 12080000000000000000 120100", ST_INTERNAL},
    {"pooling as bytes", "0a 03 1a0101", ST_INTERNAL},
    {"pooling as fixed32", "0a 05 1d01000000", ST_INTERNAL},
    {"pooling as fixed64", "0a 09 190100000000000000", ST_INTERNAL},
    {"pooling of eleven bytes", "0a 0c 18 8080808080808080808001", ST_INTERNAL},
    {"offsets of 3 bytes", "0a 05 2203000000", ST_INTERNAL},
    {"offsets of 5 bytes", "0a 07 22050000000000", ST_INTERNAL},
    {"offsets as a number", "0a 02 2001", ST_INTERNAL},
    {"offsets as fixed64", "0a 09 210000000000000000", ST_INTERNAL},
    {"weights of 3 bytes", "0a 05 2a03000000", ST_INTERNAL},
    {"weights of 6 bytes", "0a 08 2a06000000000000", ST_INTERNAL},
    {"weights as a number", "0a 02 2801", ST_INTERNAL},
    {"weights as fixed64", "0a 09 290000000000000000", ST_INTERNAL},
    {"min_version as bytes", "0a 03 320101", ST_INTERNAL},
    {"min_version as fixed64", "0a 09 310100000000000000", ST_INTERNAL},
    {"min_version cut", "0a 02 30ff", ST_INTERNAL},
    /* Unusual and right */
    {"nothing", "", ST_OK},
    {"an empty lookup", "0a 00", ST_OK},
    {"length in five bytes", "0a 8280808000 1801", ST_OK},
    {"tag in five bytes", "9080808000 01", ST_OK},
    {"format in ten bytes", "10 ffffffffffffffffff01", ST_OK},
    {"format above 64 bits", "10 ffffffffffffffffff7f", ST_OK},
    {"format above 32 bits", "10 8280808010", ST_OK},
    {"format nobody knows", "10 63", ST_OK},
    {"format twice", "10 01 10 02", ST_OK},
    {"unknown fields of every type", "20 01 29 0102030405060708 32 03 616263 3d 01020304", ST_OK},
    {"the largest field number", "f8ffffff0f 01", ST_OK},
    {"lookup: unknown fields", "0a 0b 38 01 42 02 6162 4d 01020304", ST_OK},
    {"fields out of order", "18 01 0a 05 3007 0a0161 10 02", ST_OK},
    {"table twice", "0a 06 0a0161 0a0162", ST_OK},
    {"table with a NUL", "0a 05 0a03610062", ST_OK},
    {"no ids, packed", "0a 02 1200", ST_OK},
    {"one id, unpacked", "0a 09 110100000000000000", ST_OK},
    {"ids: an empty piece and a full one", "0a 0c 1200 12080100000000000000", ST_OK},
    {"ids: packed, then unpacked", "0a 13 12080100000000000000 110200000000000000", ST_OK},
    {"offsets and weights in turns, unpacked", "0a 14 2500000000 2d0000803f 2501000000 2d00000040",
     ST_OK},
    {"min_version 2^64 - 1", "0a 0b 30 ffffffffffffffffff01", ST_OK},
};

static void check(const struct wrong_case *c)
{
    struct bytes_of m = bytes_of(c->hex);
    Embd__V1__LookupRequest *theirs = embd__v1__lookup_request__unpack(NULL, m.size, m.data);
    struct lookup_request ours = {.count = 77};
    struct arena arena;
    struct error e = {""};
    const char *difference;
    enum status st;

    arena_init(&arena, LIMIT);
    st = lookup_request_read(&ours, m.data, m.size, &arena, &e);
    if (st != c->status)
        fail_msg("%s: %s (%s)", c->name, status_name(st), e.text);
    if (st != ST_OK && (!e.text[0] || ours.count != 77))
        fail_msg("%s: no sentence, or a half-read request", c->name);
    if (st == ST_OK && !theirs)
        fail_msg("%s: protobuf-c refuses it", c->name);
    if (st != ST_OK && theirs && !request_refused(m.data, m.size))
        fail_msg("%s: protobuf-c takes it", c->name);
    if (st == ST_OK && (difference = request_difference(&ours, theirs)))
        fail_msg("%s: protobuf-c reads another %s", c->name, difference);
    if (theirs)
        embd__v1__lookup_request__free_unpacked(theirs, NULL);
    arena_done(&arena);
    bytes_free(&m);
}

static void test_malformed_requests_are_internal(void **state)
{
    size_t malformed = 0;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check(&cases[i]);
        malformed += cases[i].status != ST_OK;
    }
    print_message("%zu malformed requests\n", malformed);
    assert_true(malformed >= 60);
}

/* Bytes that any schema without recursion skips without going deeper. */
static void test_sixteen_thousand_messages_within_one_another(void **state)
{
    enum { DEPTH = 16000, ROOM = DEPTH * 5 };
    unsigned char *buffer = malloc(ROOM), *p = buffer + ROOM;
    struct lookup_request r;
    struct arena arena;
    struct error e;

    (void)state;
    assert_non_null(buffer);
    for (size_t depth = 0; depth < DEPTH; depth++) { /* from the inside out */
        size_t n = (size_t)(buffer + ROOM - p);

        p -= 1 + wire_varint_size(n);
        wire_put_varint(wire_put_tag(p, 15, WIRE_BYTES), n);
    }
    arena_init(&arena, LIMIT);
    assert_ok(lookup_request_read(&r, p, (size_t)(buffer + ROOM - p), &arena, &e), e);
    assert_int_equal(r.count, 0);
    arena_done(&arena);
    free(buffer);
}

static void test_the_sentence_names_the_item(void **state)
{
    static const struct {
        const char *hex, *words;
    } sentences[] = {
        {"0a 00 0a 03 120100", "lookup 1: field 2 "},
        {"0a 00 0a 00 0a 03 0a01ff", "lookup 2: the table \"\\xff\" is not UTF-8"},
        {"0a 00 0a 01 80", "lookup 1 is not"},
        {"12 00", "field 2 "},
        {"ff", "not a LookupRequest"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof sentences / sizeof sentences[0]; i++) {
        struct bytes_of m = bytes_of(sentences[i].hex);
        struct lookup_request r;
        struct arena arena;
        struct error e;

        arena_init(&arena, LIMIT);
        assert_fails(lookup_request_read(&r, m.data, m.size, &arena, &e), ST_INTERNAL, e,
                     sentences[i].words);
        arena_done(&arena);
        bytes_free(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed_requests_are_internal),
        cmocka_unit_test(test_sixteen_thousand_messages_within_one_another),
        cmocka_unit_test(test_the_sentence_names_the_item),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
