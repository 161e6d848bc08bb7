/* SPDX-License-Identifier: Apache-2.0 */
/* LookupRequests that are right, their bytes as protobuf-c writes them, and what becomes of them
   when they are cut, bent or too large. lookup_malformed_test.c has those that are wrong. */
#include "proto/lookup_coding.h"

#include "base/memory.h"
#include "proto/wire.h"
#include "tests/lookup_compare.h"
#include "tests/unit/bytes.h"

#define LIMIT ((size_t)1 << 20)

/* A request with every field, an empty lookup, and one of each kind of pooling. */
static int64_t ids[] = {0, 5, -1, INT64_MAX, INT64_MIN, 5};
static uint32_t offsets[] = {0, 2, 2, 6};
static float weights[] = {1, 0.5f, -2, 0, 1e30f, 3};
static Embd__V1__TableLookup lookups[4];
static Embd__V1__TableLookup *pointers[4];
static Embd__V1__LookupRequest full;

static void make_full(void)
{
    for (size_t i = 0; i < 4; i++) {
        embd__v1__table_lookup__init(&lookups[i]);
        pointers[i] = &lookups[i];
    }
    lookups[0].table = (char *)"words";
    lookups[0].n_ids = 6;
    lookups[0].ids = ids;
    lookups[0].min_version = UINT64_MAX;
    lookups[1].table = (char *)"caf\xc3\xa9";
    lookups[1].n_ids = 6;
    lookups[1].ids = ids;
    lookups[1].pooling = EMBD__V1__POOLING__POOLING_SUM;
    lookups[1].n_offsets = 4;
    lookups[1].offsets = offsets;
    lookups[1].n_weights = 6;
    lookups[1].weights = weights;
    lookups[2].table = (char *)"t";
    lookups[2].pooling = (Embd__V1__Pooling)-3; /* a number to come: ten bytes on the wire */
    lookups[2].n_offsets = 1;
    lookups[2].offsets = offsets;
    lookups[2].min_version = 300;
    embd__v1__lookup_request__init(&full);
    full.n_lookups = 4;
    full.lookups = pointers;
    full.format = EMBD__V1__VECTOR_FORMAT__VECTOR_FORMAT_INT8;
    full.missing = EMBD__V1__MISSING_POLICY__MISSING_POLICY_ERROR;
}

static struct bytes_of pack(const Embd__V1__LookupRequest *request)
{
    struct bytes_of m = {malloc(embd__v1__lookup_request__get_packed_size(request) + 1), 0};

    assert_non_null(m.data);
    m.size = embd__v1__lookup_request__pack(request, m.data);
    return m;
}

/* Read bytes with both readers and check that they agree. */
static enum status read_both(const unsigned char *data, size_t n)
{
    Embd__V1__LookupRequest *theirs = embd__v1__lookup_request__unpack(NULL, n, data);
    struct lookup_request ours;
    struct arena arena;
    struct error e;
    enum status st;

    arena_init(&arena, LIMIT);
    st = lookup_request_read(&ours, data, n, &arena, &e);
    if (st == ST_OK) {
        assert_non_null(theirs);
        assert_null(request_difference(&ours, theirs));
    } else {
        assert_int_equal(st, ST_INTERNAL);
        assert_true(!theirs || request_refused(data, n));
    }
    if (theirs)
        embd__v1__lookup_request__free_unpacked(theirs, NULL);
    arena_done(&arena);
    return st;
}

static void test_request_is_read_in_place_and_written_as_protobuf_does(void **state)
{
    struct bytes_of m = pack(&full);
    struct lookup_request r;
    struct arena arena;
    struct error e;
    unsigned char out[1024];

    (void)state;
    arena_init(&arena, LIMIT);
    assert_ok(lookup_request_read(&r, m.data, m.size, &arena, &e), e);
    assert_null(request_difference(&r, &full));
    assert_int_equal(r.ids, 12);
    for (size_t i = 0; i < r.count; i++) {
        const unsigned char *at = r.lookup[i].ids.data;

        assert_true(!at || (at > m.data && at < m.data + m.size));
    }
    for (size_t shift = 0; shift < 8; shift++) { /* no alignment is needed */
        assert_int_equal(lookup_request_size(&r), m.size);
        memset(out, 0xee, sizeof out);
        lookup_request_write(&r, out + shift);
        assert_memory_equal(out + shift, m.data, m.size);
        assert_int_equal(out[shift + m.size], 0xee);
    }
    arena_done(&arena);
    bytes_free(&m);
}

static void test_empty_request(void **state)
{
    struct lookup_request r;
    struct arena arena;
    struct error e;

    (void)state;
    arena_init(&arena, 0);
    assert_ok(lookup_request_read(&r, NULL, 0, &arena, &e), e);
    assert_int_equal(r.count, 0);
    assert_int_equal(lookup_request_size(&r), 0);
    lookup_request_write(&r, NULL);
}

static void test_every_prefix_reads_as_protobuf_c_reads_it(void **state)
{
    struct bytes_of m = pack(&full);
    size_t good = 0;

    (void)state;
    for (size_t n = 0; n <= m.size; n++) {
        struct bytes_of prefix = bytes_copy(m.data, n);

        good += read_both(prefix.data, n) == ST_OK;
        bytes_free(&prefix);
    }
    /* Between two fields of the request: nothing, four lookups, two numbers. */
    assert_int_equal(good, 7);
    bytes_free(&m);
}

static void test_every_flipped_bit_reads_as_protobuf_c_reads_it(void **state)
{
    struct bytes_of m = pack(&full);
    size_t good = 0, bad = 0;

    (void)state;
    for (size_t i = 0; i < m.size; i++) {
        for (unsigned mask = 0; mask <= 8; mask++) {
            unsigned char was = m.data[i];

            m.data[i] ^= mask == 8 ? 0xff : (unsigned char)(1 << mask);
            if (read_both(m.data, m.size) == ST_OK)
                good++;
            else
                bad++;
            m.data[i] = was;
        }
    }
    assert_true(good > 100 && bad > 100);
    bytes_free(&m);
}

static void test_arrays_in_pieces_are_joined(void **state)
{
    /* ids 1 | 2 3 | (none) | 4, with offsets and weights unpacked between them */
    struct bytes_of m = bytes_of("0a 40"
                                 "12 08 0100000000000000"
                                 "25 00000000"
                                 "12 10 0200000000000000 0300000000000000"
                                 "2d 0000803f"
                                 "12 00"
                                 "25 04000000"
                                 "11 0400000000000000"
                                 "2d 00000040");
    const int64_t want_ids[] = {1, 2, 3, 4};
    const uint32_t want_offsets[] = {0, 4};
    const float want_weights[] = {1, 2};
    struct lookup_request r;
    struct arena arena;
    struct error e;

    (void)state;
    m.data[1] = (unsigned char)(m.size - 2);
    arena_init(&arena, LIMIT);
    assert_ok(lookup_request_read(&r, m.data, m.size, &arena, &e), e);
    assert_int_equal(r.ids, 4);
    assert_true(same_array(r.lookup[0].ids, want_ids, 4, 8));
    assert_true(same_array(r.lookup[0].offsets, want_offsets, 2, 4));
    assert_true(same_array(r.lookup[0].weights, want_weights, 2, 4));
    assert_int_equal(read_both(m.data, m.size), ST_OK);
    arena_done(&arena);
    bytes_free(&m);
}

/* An empty piece, as a writer of no ids may send it, costs no copy of the others. */
static void test_one_piece_among_empty_ones_stays_in_place(void **state)
{
    struct bytes_of m = bytes_of("0a 0e 1200 12 08 0100000000000000 1200");
    struct lookup_request r;
    struct arena arena;
    struct error e;

    (void)state;
    arena_init(&arena, LIMIT);
    assert_ok(lookup_request_read(&r, m.data, m.size, &arena, &e), e);
    assert_ptr_equal(r.lookup[0].ids.data, m.data + 6);
    assert_int_equal(r.lookup[0].ids.size, 8);
    arena_done(&arena);
    bytes_free(&m);
}

static void test_last_of_a_repeated_number_counts(void **state)
{
    struct bytes_of m = bytes_of("10 01 0a 0a 1801 1802 0a0161 0a0162 10 02 18 05 18 00");
    struct lookup_request r;
    struct arena arena;
    struct error e;

    (void)state;
    arena_init(&arena, LIMIT);
    assert_ok(lookup_request_read(&r, m.data, m.size, &arena, &e), e);
    assert_int_equal(r.format, 2);
    assert_int_equal(r.missing, 0);
    assert_int_equal(r.lookup[0].pooling, 2);
    assert_memory_equal(r.lookup[0].table.data, "b", 1);
    arena_done(&arena);
    bytes_free(&m);
}

static void test_amplifiers_meet_the_cap(void **state)
{
    enum { MANY = 100000 };
    unsigned char *m = calloc(MANY, 10), *p;
    struct lookup_request r;
    struct arena arena;
    struct error e;

    (void)state;
    assert_non_null(m);
    for (size_t i = 0; i < MANY; i++) /* empty lookups */
        m[2 * i] = 0x0a;
    arena_init(&arena, 64 << 10);
    assert_fails(lookup_request_read(&r, m, 2 * (size_t)MANY, &arena, &e), ST_EXHAUSTED, e,
                 "100000 lookups do not fit in the 65536 bytes");
    assert_true(arena.used <= arena.cap);
    arena_done(&arena);

    p = wire_put_varint(wire_put_tag(m, 1, WIRE_BYTES), MANY * 9); /* one lookup of unpacked ids */
    for (size_t i = 0; i < MANY; i++, p += 9) {
        memset(p, 0, 9);
        wire_put_tag(p, 2, WIRE_FIXED64);
    }
    arena_init(&arena, 64 << 10);
    assert_fails(lookup_request_read(&r, m, (size_t)(p - m), &arena, &e), ST_EXHAUSTED, e,
                 "lookup 0 does not fit in the 65536 bytes");
    assert_true(arena.used <= arena.cap);
    arena_done(&arena);
    arena_init(&arena, MANY * 8 + 8192);
    assert_ok(lookup_request_read(&r, m, (size_t)(p - m), &arena, &e), e);
    assert_int_equal(r.ids, MANY);
    arena_done(&arena);
    free(m);
}

#ifdef EMBD_DEVELOPER
static void test_no_memory_is_a_status(void **state)
{
    struct bytes_of m = bytes_of("0a 12 110100000000000000 110200000000000000");
    enum status st = ST_EXHAUSTED;

    (void)state;
    for (uint64_t n = 1; st != ST_OK; n++) {
        struct lookup_request r;
        struct arena arena;
        struct error e;

        arena_init(&arena, LIMIT);
        mem_fail_at(n, true);
        st = lookup_request_read(&r, m.data, m.size, &arena, &e);
        assert_int_equal(st, mem_failed() ? ST_EXHAUSTED : ST_OK);
        mem_fail_at(0, false);
        arena_done(&arena);
        assert_true(n < 10);
    }
    bytes_free(&m);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_is_read_in_place_and_written_as_protobuf_does),
        cmocka_unit_test(test_empty_request),
        cmocka_unit_test(test_every_prefix_reads_as_protobuf_c_reads_it),
        cmocka_unit_test(test_every_flipped_bit_reads_as_protobuf_c_reads_it),
        cmocka_unit_test(test_arrays_in_pieces_are_joined),
        cmocka_unit_test(test_one_piece_among_empty_ones_stays_in_place),
        cmocka_unit_test(test_last_of_a_repeated_number_counts),
        cmocka_unit_test(test_amplifiers_meet_the_cap),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_no_memory_is_a_status),
#endif
    };

    make_full();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
