/* SPDX-License-Identifier: Apache-2.0 */
/* PushRequests that are wrong, or right in an unusual way: what we say, and what protobuf-c says.
   What all messages share (tags, lengths, unknown fields) is in lookup_malformed_test.c. */
#include "proto/push_coding.h"

#include "tests/push_compare.h"
#include "tests/unit/bytes.h"

#define LIMIT ((size_t)1 << 20)

static const struct wrong_case {
    const char *name, *hex;
    enum status status;
} cases[] = {
    /* Fields of the request */
    {"trainer as a number", "08 01", ST_INTERNAL},
    {"trainer as fixed64", "09 6162636465666768", ST_INTERNAL},
    {"trainer cut", "0a 02 61", ST_INTERNAL},
    {"trainer: a byte that begins nothing", "0a 01 ff", ST_INTERNAL},
    {"trainer: bad, then replaced", "0a 01 ff 0a 01 61", ST_INTERNAL},
    {"sequence as bytes", "12 01 01", ST_INTERNAL},
    {"sequence as fixed64", "11 0100000000000000", ST_INTERNAL},
    {"sequence cut", "10 80", ST_INTERNAL},
    {"sequence of eleven bytes", "10 8080808080808080808001", ST_INTERNAL},
    {"pushes as a number", "18 01", ST_INTERNAL},
    {"pushes as fixed32", "1d 01000000", ST_INTERNAL},
    {"push past the end", "1a 02 18", ST_INTERNAL},
    {"rate as a number", "20 01", ST_INTERNAL},
    {"rate as bytes", "22 04 00000000", ST_INTERNAL},
    {"rate as fixed64", "21 0000000000000000", ST_INTERNAL},
    {"rate cut", "25 000000", ST_INTERNAL},
    {"missing as bytes", "2a 01 01", ST_INTERNAL},
    {"missing as fixed32", "2d 01000000", ST_INTERNAL},
    {"good push, then rubbish", "1a 02 2001 ff", ST_INTERNAL},
    {"field 0", "00 01", ST_INTERNAL},
    {"field 2^29", "8080808010 01", ST_INTERNAL},
    {"group", "33 34", ST_INTERNAL},
    /* Fields of a push */
    {"push: cut tag", "1a 01 80", ST_INTERNAL},
    {"push: field 0", "1a 02 0001", ST_INTERNAL},
    {"push: group", "1a 02 4b4c", ST_INTERNAL},
    {"table as a number", "1a 02 0801", ST_INTERNAL},
    {"table: overlong NUL", "1a 04 0a02c080", ST_INTERNAL},
    {"table: bad, then replaced", "1a 06 0a01ff 0a0161", ST_INTERNAL},
    {"ids of 7 bytes", "1a 09 120700000000000000", ST_INTERNAL},
    {"ids as fixed32", "1a 05 1500000000", ST_INTERNAL},
    {"ids as a number", "1a 02 1001", ST_INTERNAL},
    {"gradients of 3 bytes", "1a 05 1a03000000", ST_INTERNAL},
    {"gradients of 5 bytes", "1a 07 1a050000000000", ST_INTERNAL},
    {"gradients as a number", "1a 02 1801", ST_INTERNAL},
    {"gradients as fixed64", "1a 09 190000000000000000", ST_INTERNAL},
    {"a gradient cut", "1a 04 1d000000", ST_INTERNAL},
    {"gradients: a good piece and a bad one", "1a 09 1a0400000000 1a0100", ST_INTERNAL},
    {"pooling as bytes", "1a 03 220101", ST_INTERNAL},
    {"offsets of 5 bytes", "1a 07 2a050000000000", ST_INTERNAL},
    {"offsets as fixed64", "1a 09 290000000000000000", ST_INTERNAL},
    {"weights of 6 bytes", "1a 08 3206000000000000", ST_INTERNAL},
    {"weights as a number", "1a 02 3001", ST_INTERNAL},
    {"format as bytes", "1a 03 3a0101", ST_INTERNAL},
    {"format as fixed32", "1a 05 3d01000000", ST_INTERNAL},
    {"packed as a number", "1a 02 4001", ST_INTERNAL},
    {"packed as fixed32", "1a 05 4500000000", ST_INTERNAL},
    {"packed cut", "1a 03 420261", ST_INTERNAL},
    /* Unusual and right */
    {"nothing", "", ST_OK},
    {"an empty push", "1a 00", ST_OK},
    {"trainer with a NUL", "0a 03 610062", ST_OK},
    {"trainer twice", "0a 01 61 0a 01 62", ST_OK},
    {"no trainer, in bytes", "0a 00", ST_OK},
    {"sequence 2^64 - 1", "10 ffffffffffffffffff01", ST_OK},
    {"sequence above 64 bits", "10 ffffffffffffffffff7f", ST_OK},
    {"rate 0", "25 00000000", ST_OK},
    {"rate twice", "25 0000803f 25 0000c07f", ST_OK},
    {"missing nobody knows", "28 63", ST_OK},
    {"missing in ten bytes", "28 ffffffffffffffffff01", ST_OK},
    {"fields out of order", "28 01 25 0000803f 1a 05 3802 0a0161 10 07 0a 01 62", ST_OK},
    {"unknown fields of every type", "30 01 39 0102030405060708 42 03 616263 4d 01020304", ST_OK},
    {"push: unknown fields", "1a 0b 48 01 52 02 6162 5d 01020304", ST_OK},
    {"gradients and packed", "1a 09 1a0400000000 420161", ST_OK}, /* refused by its meaning */
    {"gradients one by one", "1a 0a 1d0000803f 1d00000040", ST_OK},
    {"gradients: packed, then one alone", "1a 0b 1a040000803f 1d00000040", ST_OK},
    {"no gradients, packed", "1a 02 1a00", ST_OK},
    {"packed twice", "1a 06 420161 420162", ST_OK},
    {"pooling and format nobody knows", "1a 04 2063 3863", ST_OK},
};

static void check(const struct wrong_case *c)
{
    struct bytes_of m = bytes_of(c->hex);
    Embd__V1__PushRequest *theirs = embd__v1__push_request__unpack(NULL, m.size, m.data);
    struct push_request ours = {.count = 77};
    struct arena arena;
    struct error e = {""};
    const char *difference;
    enum status st;

    arena_init(&arena, LIMIT);
    st = push_request_read(&ours, m.data, m.size, &arena, &e);
    if (st != c->status)
        fail_msg("%s: %s (%s)", c->name, status_name(st), e.text);
    if (st != ST_OK && (!e.text[0] || ours.count != 77))
        fail_msg("%s: no sentence, or a half-read request", c->name);
    if (st == ST_OK && !theirs)
        fail_msg("%s: protobuf-c refuses it", c->name);
    if (st != ST_OK && theirs && !push_refused(m.data, m.size))
        fail_msg("%s: protobuf-c takes it", c->name);
    if (st == ST_OK && (difference = push_difference(&ours, theirs)))
        fail_msg("%s: protobuf-c reads another %s", c->name, difference);
    if (theirs)
        embd__v1__push_request__free_unpacked(theirs, NULL);
    arena_done(&arena);
    bytes_free(&m);
}

static void test_malformed_requests_are_internal(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check(&cases[i]);
}

static void test_the_sentence_names_the_item(void **state)
{
    static const struct {
        const char *hex, *words;
    } sentences[] = {
        {"1a 00 1a 03 120100", "PushRequest: push 1: field 2 "},
        {"1a 00 1a 00 1a 03 0a01ff", "PushRequest: push 2: the table \"\\xff\" is not UTF-8"},
        {"0a 02 61ff", "PushRequest: the trainer \"a\\xff\" is not UTF-8"},
        {"1a 00 1a 01 80", "PushRequest: push 1 is not"},
        {"20 00", "PushRequest: field 4 "},
        {"ff", "not a PushRequest"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof sentences / sizeof sentences[0]; i++) {
        struct bytes_of m = bytes_of(sentences[i].hex);
        struct push_request r;
        struct arena arena;
        struct error e;

        arena_init(&arena, LIMIT);
        assert_fails(push_request_read(&r, m.data, m.size, &arena, &e), ST_INTERNAL, e,
                     sentences[i].words);
        arena_done(&arena);
        bytes_free(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed_requests_are_internal),
        cmocka_unit_test(test_the_sentence_names_the_item),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
