/* SPDX-License-Identifier: Apache-2.0 */
/* The wire format's reader and writer. */
#include "proto/wire.h"

#include "tests/unit/bytes.h"
#include "tests/unit/unit.h"

static void test_reads_every_type_of_field(void **state)
{
    struct bytes_of m = bytes_of("08 ac02 11 0102030405060708 1a 03 616263 25 04030201 2a 00");
    struct wire_reader r;
    struct wire_field f;

    (void)state;
    wire_reader_init(&r, m.data, m.size);
    assert_true(wire_next(&r, &f));
    assert_int_equal(f.number, 1);
    assert_int_equal(f.type, WIRE_VARINT);
    assert_int_equal(f.value, 300);
    assert_ptr_equal(f.data, m.data + 1);
    assert_int_equal(f.size, 2);
    assert_true(wire_next(&r, &f));
    assert_int_equal(f.number, 2);
    assert_int_equal(f.type, WIRE_FIXED64);
    assert_true(f.value == 0x0807060504030201);
    assert_int_equal(f.size, 8);
    assert_true(wire_next(&r, &f));
    assert_int_equal(f.number, 3);
    assert_int_equal(f.type, WIRE_BYTES);
    assert_int_equal(f.size, 3);
    assert_memory_equal(f.data, "abc", 3);
    assert_true(wire_next(&r, &f));
    assert_int_equal(f.number, 4);
    assert_int_equal(f.type, WIRE_FIXED32);
    assert_int_equal(f.value, 0x01020304);
    assert_true(wire_next(&r, &f));
    assert_int_equal(f.number, 5);
    assert_int_equal(f.size, 0);
    assert_false(wire_next(&r, &f));
    assert_false(r.bad);
    bytes_free(&m);
}

static void test_an_empty_message_has_no_fields(void **state)
{
    struct wire_reader r;
    struct wire_field f;

    (void)state;
    wire_reader_init(&r, NULL, 0);
    assert_false(wire_next(&r, &f));
    assert_false(r.bad);
}

static void test_refuses_what_is_malformed(void **state)
{
    static const struct {
        const char *name, *hex;
    } cases[] = {
        {"field 0", "00 01"},
        {"field 0 in two bytes", "80 00 01"},
        {"field 2^29", "8080808010 01"},
        {"tag above 32 bits", "f8ffffff7f 01"},
        {"tag of six bytes", "888080808000 01"},
        {"cut tag", "88"},
        {"start of a group", "0b"},
        {"end of a group", "0c"},
        {"group of field 15", "7b 7c"},
        {"type 6", "0e"},
        {"type 7", "0f"},
        {"no varint", "08"},
        {"cut varint", "08 ffff"},
        {"varint of eleven bytes", "08 8080808080808080808000"},
        {"ten bytes that go on", "08 ffffffffffffffffffff"},
        {"no fixed64", "09"},
        {"cut fixed64", "09 01020304050607"},
        {"no fixed32", "0d"},
        {"cut fixed32", "0d 010203"},
        {"no length", "0a"},
        {"cut length", "0a 80"},
        {"length past the end", "0a 04 010203"},
        {"length 2^31", "0a 8080808008 00"},
        {"length 2^32 - 1", "0a ffffffff0f 00"},
        {"length 2^32", "0a 8080808010 00"},
        {"length of six bytes", "0a 818080808000 00"},
        {"length 2^64 - 1", "0a ffffffffffffffffff01 00"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes_of m = bytes_of(cases[i].hex);
        struct wire_reader r;
        struct wire_field f;

        wire_reader_init(&r, m.data, m.size);
        if (wire_next(&r, &f) || !r.bad)
            fail_msg("%s was taken", cases[i].name);
        if (wire_next(&r, &f) || r.next != r.end)
            fail_msg("%s: the reader went on", cases[i].name);
        bytes_free(&m);
    }
}

static void test_varints_survive_and_have_the_size_foretold(void **state)
{
    unsigned char buffer[16];

    (void)state;
    for (unsigned bit = 0; bit <= 64; bit++) {
        for (int nudge = -1; nudge <= 1; nudge++) {
            uint64_t v = (bit < 64 ? (uint64_t)1 << bit : 0) + (uint64_t)(int64_t)nudge, got;
            size_t n = (size_t)(wire_put_varint(buffer, v) - buffer);
            struct wire_reader r;

            assert_int_equal(n, wire_varint_size(v));
            wire_reader_init(&r, buffer, n);
            assert_true(wire_varint(&r, &got));
            assert_true(got == v);
            assert_ptr_equal(r.next, r.end);
        }
    }
    assert_int_equal(wire_varint_size(0), 1);
    assert_int_equal(wire_varint_size(127), 1);
    assert_int_equal(wire_varint_size(128), 2);
    assert_int_equal(wire_varint_size(UINT64_MAX), 10);
}

static void test_varints_may_be_longer_than_they_need(void **state)
{
    static const struct {
        const char *hex;
        uint64_t value;
    } cases[] = {
        {"8000", 0},
        {"8180808080808080808000", 0}, /* eleven bytes: refused */
        {"81808080808080808000", 1},
        {"ffffffffffffffffff01", UINT64_MAX},
        {"ffffffffffffffffff7f", UINT64_MAX}, /* bits above the 64th are dropped */
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes_of m = bytes_of(cases[i].hex);
        struct wire_reader r;
        uint64_t v = 0;

        wire_reader_init(&r, m.data, m.size);
        assert_int_equal(wire_varint(&r, &v), m.size <= 10);
        assert_true(v == cases[i].value);
        bytes_free(&m);
    }
}

static void test_largest_field_number_is_read_and_written(void **state)
{
    unsigned char buffer[16];
    struct wire_reader r;
    struct wire_field f;
    size_t n =
        (size_t)(wire_put_varint(wire_put_tag(buffer, WIRE_FIELD_MAX, WIRE_VARINT), 7) - buffer);

    (void)state;
    assert_int_equal(n, 6);
    wire_reader_init(&r, buffer, n);
    assert_true(wire_next(&r, &f));
    assert_int_equal(f.number, WIRE_FIELD_MAX);
    assert_int_equal(f.value, 7);
}

static void test_zero_and_nothing_are_left_out(void **state)
{
    unsigned char buffer[16] = {0};

    (void)state;
    assert_int_equal(wire_number_size(0), 0);
    assert_int_equal(wire_bytes_size(0), 0);
    assert_ptr_equal(wire_put_number(buffer, 3, 0), buffer);
    assert_ptr_equal(wire_put_bytes(buffer, 3, NULL, 0), buffer);
    assert_int_equal(wire_number_size(300), 3);
    assert_ptr_equal(wire_put_number(buffer, 3, 300), buffer + 3);
    assert_memory_equal(buffer, "\x18\xac\x02", 3);
    assert_int_equal(wire_bytes_size(2), 4);
    assert_ptr_equal(wire_put_bytes(buffer, 4, "hi", 2), buffer + 4);
    assert_memory_equal(buffer, "\x22\x02hi", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_every_type_of_field),
        cmocka_unit_test(test_an_empty_message_has_no_fields),
        cmocka_unit_test(test_refuses_what_is_malformed),
        cmocka_unit_test(test_varints_survive_and_have_the_size_foretold),
        cmocka_unit_test(test_varints_may_be_longer_than_they_need),
        cmocka_unit_test(test_largest_field_number_is_read_and_written),
        cmocka_unit_test(test_zero_and_nothing_are_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
