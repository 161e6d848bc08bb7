/* SPDX-License-Identifier: Apache-2.0 */
/* LookupResponses from one side to the other: the bytes that protobuf-c writes, values in their
   place, and what a client makes of replies that are bent, cut or too large. */
#include "proto/lookup_coding.h"

#include "base/memory.h"
#include "proto/wire.h"
#include "tests/lookup_compare.h"
#include "tests/reply_write.h"
#include "tests/unit/bytes.h"

#define LIMIT ((size_t)1 << 20)

static float values[] = {1, -0.0f, 0.25f, 1e-30f, 3, 4};
static uint8_t packed[] = {1, 2, 3, 4, 5, 6, 7};
static uint32_t missing[] = {0, 2, 0xffffffff};
static Embd__V1__TableVectors results[4];
static Embd__V1__TableVectors *pointers[4];
static Embd__V1__LookupResponse full;

/* One result of each shape: F32 with missing ids, packed, no rows, nothing at all. */
static void make_full(void)
{
    for (size_t i = 0; i < 4; i++) {
        embd__v1__table_vectors__init(&results[i]);
        pointers[i] = &results[i];
    }
    results[0].dim = 3;
    results[0].rows = 2;
    results[0].n_values = 6;
    results[0].values = values;
    results[0].version = UINT64_MAX;
    results[0].n_missing = 3;
    results[0].missing = missing;
    results[1].dim = UINT32_MAX;
    results[1].rows = 1;
    results[1].packed = (ProtobufCBinaryData){sizeof packed, packed};
    results[1].version = 128;
    results[2].dim = 64;
    embd__v1__lookup_response__init(&full);
    full.n_results = 4;
    full.results = pointers;
    full.lsn = 1000;
}

static struct bytes_of pack(void)
{
    struct bytes_of m = {malloc(embd__v1__lookup_response__get_packed_size(&full) + 1), 0};

    assert_non_null(m.data);
    m.size = embd__v1__lookup_response__pack(&full, m.data);
    return m;
}

/* The same results as the daemon would hold them before it has the values. */
static void make_ours(struct table_vectors v[4])
{
    memset(v, 0, 4 * sizeof *v);
    for (size_t i = 0; i < 4; i++) {
        v[i].dim = results[i].dim;
        v[i].rows = results[i].rows;
        v[i].version = results[i].version;
        v[i].packed = results[i].packed.len > 0;
        v[i].value_bytes = results[i].n_values * 4 + results[i].packed.len;
        v[i].missing = results[i].missing;
        v[i].missing_count = results[i].n_missing;
    }
}

static void test_written_as_protobuf_writes(void **state)
{
    static const void *const given[4] = {values, packed};
    struct bytes_of m = pack();
    unsigned char out[1024];
    struct table_vectors v[4];

    (void)state;
    for (size_t shift = 0; shift < 8; shift++) { /* no alignment is needed */
        make_ours(v);
        assert_int_equal(lookup_reply_size(v, 4, 1000), m.size);
        memset(out, 0xee, sizeof out);
        reply_write(v, 4, 1000, given, out + shift);
        assert_memory_equal(out + shift, m.data, m.size);
        assert_int_equal(out[shift + m.size], 0xee);
    }
    bytes_free(&m);
}

/* Rooms are as large as the largest numbers need, and no larger where it is said exactly. */
static void test_room_for_the_parts(void **state)
{
    static const uint32_t ids[300];
    struct table_vectors v = {UINT32_MAX, UINT32_MAX, true, SIZE_MAX / 2, UINT64_MAX,
                              ids,        0,          {0},  {0},          {0}};
    unsigned char out[2048];

    (void)state;
    assert_true(lookup_reply_head(&v, out) <= LOOKUP_HEAD_MAX);
    assert_true(lookup_reply_end(UINT64_MAX, out) <= LOOKUP_HEAD_MAX);
    for (v.missing_count = 0; v.missing_count < 300; v.missing_count += 33) {
        assert_int_equal(lookup_reply_tail(&v, out), lookup_reply_tail_size(&v));
        v.version /= 3;
    }
}

static void test_empty_reply(void **state)
{
    struct table_vectors *v = (void *)1;
    struct arena arena;
    struct error e;
    size_t count = 7;
    uint64_t lsn = 7;

    (void)state;
    assert_int_equal(lookup_reply_size(NULL, 0, 0), 0);
    assert_int_equal(lookup_reply_end(0, &v), 0);
    arena_init(&arena, 0);
    assert_ok(lookup_reply_read(&v, &count, &lsn, NULL, 0, &arena, &e), e);
    assert_null(v);
    assert_int_equal(count, 0);
    assert_int_equal(lsn, 0);
}

static void test_sizes_beyond_memory_are_said(void **state)
{
    struct table_vectors v[2] = {{.dim = 1, .value_bytes = SIZE_MAX - 20},
                                 {.value_bytes = SIZE_MAX / 2}};
    struct table_vectors many = {.missing_count = SIZE_MAX / 4};
    struct table_vectors halves[2] = {{.value_bytes = SIZE_MAX / 2}, {.value_bytes = SIZE_MAX / 2}};

    (void)state;
    assert_int_equal(lookup_reply_size(v, 1, 0), SIZE_MAX);
    assert_int_equal(lookup_reply_size(v + 1, 1, 0), SIZE_MAX / 2 + (1 + 9) + (1 + 10));
    assert_int_equal(lookup_reply_size(v, 2, 0), SIZE_MAX);
    assert_int_equal(lookup_reply_size(halves, 2, 0), SIZE_MAX);
    assert_int_equal(lookup_reply_size(&many, 1, 0), SIZE_MAX);
    many.missing_count = SIZE_MAX / 2;
    assert_int_equal(lookup_reply_size(&many, 1, 0), SIZE_MAX);
    v[0].value_bytes = SIZE_MAX;
    assert_int_equal(lookup_reply_size(v, 1, 0), SIZE_MAX);
}

/* Read bytes with both readers and check that they agree. */
static enum status read_both(const unsigned char *data, size_t n)
{
    Embd__V1__LookupResponse *theirs = embd__v1__lookup_response__unpack(NULL, n, data);
    struct table_vectors *v = (void *)1;
    struct arena arena;
    struct error e = {""};
    size_t count = 77;
    uint64_t lsn = 77;
    enum status st;

    arena_init(&arena, LIMIT);
    st = lookup_reply_read(&v, &count, &lsn, data, n, &arena, &e);
    if (st == ST_OK) {
        assert_non_null(theirs);
        assert_null(reply_difference(v, count, lsn, theirs));
    } else {
        assert_int_equal(st, ST_INTERNAL);
        assert_true(v == (void *)1 && count == 77 && lsn == 77 && e.text[0]);
        assert_true(!theirs || reply_refused(data, n, theirs));
    }
    if (theirs)
        embd__v1__lookup_response__free_unpacked(theirs, NULL);
    arena_done(&arena);
    return st;
}

static void test_reply_is_read_in_place(void **state)
{
    struct bytes_of m = pack();
    struct table_vectors *v;
    struct arena arena;
    struct error e;
    size_t count;
    uint64_t lsn;

    (void)state;
    arena_init(&arena, LIMIT);
    assert_ok(lookup_reply_read(&v, &count, &lsn, m.data, m.size, &arena, &e), e);
    assert_null(reply_difference(v, count, lsn, &full));
    assert_false(v[0].packed);
    assert_true(v[1].packed);
    assert_true((const unsigned char *)v[0].received_values.data > m.data &&
                (const unsigned char *)v[0].received_values.data < m.data + m.size);
    assert_int_equal(read_both(m.data, m.size), ST_OK);
    arena_done(&arena);
    bytes_free(&m);
}

static void test_every_prefix_and_flipped_bit_reads_as_protobuf_c_reads_it(void **state)
{
    struct bytes_of m = pack();
    size_t good = 0, bad = 0;

    (void)state;
    for (size_t n = 0; n <= m.size; n++) {
        struct bytes_of prefix = bytes_copy(m.data, n);

        good += read_both(prefix.data, n) == ST_OK;
        bytes_free(&prefix);
    }
    assert_int_equal(good, 6); /* nothing, four results, the number */
    for (size_t i = 0; i < 8 * m.size; i++) {
        m.data[i / 8] ^= (unsigned char)(1 << i % 8);
        bad += read_both(m.data, m.size) != ST_OK;
        m.data[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    assert_true(bad > 100 && bad < 8 * m.size - 100);
    bytes_free(&m);
}

static void test_malformed_replies_are_internal(void **state)
{
    static const struct {
        const char *name, *hex;
        enum status status;
    } cases[] = {
        {"results as a number", "08 01", ST_INTERNAL},
        {"lsn as fixed64", "11 0100000000000000", ST_INTERNAL},
        {"lsn cut", "10 80", ST_INTERNAL},
        {"result past the end", "0a 02 08", ST_INTERNAL},
        {"group", "1b 1c", ST_INTERNAL},
        {"dim as fixed32", "0a 05 0d01000000", ST_INTERNAL},
        {"rows as bytes", "0a 03 120101", ST_INTERNAL},
        {"values of 3 bytes", "0a 05 1a03000000", ST_INTERNAL},
        {"values as fixed64", "0a 09 190100000000000000", ST_INTERNAL},
        {"packed as a number", "0a 02 2001", ST_INTERNAL},
        {"version as fixed32", "0a 05 2d01000000", ST_INTERNAL},
        {"missing of 5 bytes", "0a 07 32050000000000", ST_INTERNAL},
        {"missing as a number", "0a 02 3001", ST_INTERNAL},
        {"values and packed", "0a 09 1a04 0000803f 220101", ST_INTERNAL},
        {"values of no bytes and packed", "0a 05 1a00 220101", ST_OK},
        {"values one by one", "0a 0a 1d0000803f 1d00000040", ST_OK},
        {"missing in pieces", "0a 0b 320401000000 3502000000", ST_OK},
        {"unknown fields", "20 01 0a 03 380108", ST_INTERNAL},
        {"unknown fields in both", "20 01 0a 02 3801", ST_OK},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bytes_of m = bytes_of(cases[i].hex);

        if (read_both(m.data, m.size) != cases[i].status)
            fail_msg("%s", cases[i].name);
        bytes_free(&m);
    }
}

static void test_cap_holds(void **state)
{
    enum { MANY = 50000 };
    unsigned char *m = calloc(MANY, 2);
    struct table_vectors *v;
    struct arena arena;
    struct error e;
    size_t count;
    uint64_t lsn;

    (void)state;
    assert_non_null(m);
    for (size_t i = 0; i < MANY; i++)
        m[2 * i] = 0x0a;
    arena_init(&arena, 64 << 10);
    assert_fails(lookup_reply_read(&v, &count, &lsn, m, 2 * (size_t)MANY, &arena, &e), ST_EXHAUSTED,
                 e, "65536 bytes");
    assert_true(arena.used <= arena.cap);
    arena_done(&arena);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_as_protobuf_writes),
        cmocka_unit_test(test_room_for_the_parts),
        cmocka_unit_test(test_empty_reply),
        cmocka_unit_test(test_sizes_beyond_memory_are_said),
        cmocka_unit_test(test_reply_is_read_in_place),
        cmocka_unit_test(test_every_prefix_and_flipped_bit_reads_as_protobuf_c_reads_it),
        cmocka_unit_test(test_malformed_replies_are_internal),
        cmocka_unit_test(test_cap_holds),
    };

    make_full();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
