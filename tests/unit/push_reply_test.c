/* SPDX-License-Identifier: Apache-2.0 */
/* PushResponses from one side to the other: the bytes that protobuf-c writes, and what a client
   makes of replies that are bent, cut or too large. */
#include "proto/push_coding.h"

#include "base/memory.h"
#include "tests/push_compare.h"
#include "tests/unit/bytes.h"

#define LIMIT ((size_t)1 << 20)

static uint64_t versions[] = {1, 0, 300, UINT64_MAX, 127, 128};

static const struct push_reply replies[] = {
    {.duplicate = true, .versions = versions, .count = 6, .lsn = UINT64_MAX, .skipped = 12345},
    {.versions = versions, .count = 1, .lsn = 1},
    {.versions = versions + 1, .count = 1},
    {.duplicate = true},
    {.skipped = 1},
    {0},
};
#define REPLIES (sizeof replies / sizeof *replies)

static struct bytes_of pack(const struct push_reply *r)
{
    Embd__V1__PushResponse theirs = EMBD__V1__PUSH_RESPONSE__INIT;
    struct bytes_of m;

    theirs.duplicate = r->duplicate;
    theirs.versions = versions + (r->versions ? r->versions - versions : 0);
    theirs.n_versions = r->count;
    theirs.lsn = r->lsn;
    theirs.skipped = r->skipped;
    m.data = malloc(embd__v1__push_response__get_packed_size(&theirs) + 1);
    assert_non_null(m.data);
    m.size = embd__v1__push_response__pack(&theirs, m.data);
    return m;
}

/* Read bytes with both readers and check that they agree. */
static enum status read_both(const unsigned char *data, size_t n)
{
    Embd__V1__PushResponse *theirs = embd__v1__push_response__unpack(NULL, n, data);
    struct push_reply ours = {.count = 77};
    struct arena arena;
    struct error e = {""};
    enum status st;

    arena_init(&arena, LIMIT);
    st = push_reply_read(&ours, data, n, &arena, &e);
    if (st == ST_OK) {
        assert_non_null(theirs);
        assert_null(push_reply_difference(&ours, theirs));
    } else {
        assert_int_equal(st, ST_INTERNAL);
        assert_true(ours.count == 77 && e.text[0]);
        assert_true(!theirs || push_reply_refused(data, n));
    }
    if (theirs)
        embd__v1__push_response__free_unpacked(theirs, NULL);
    arena_done(&arena);
    return st;
}

static void test_replies_are_written_as_protobuf_does_and_read_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < REPLIES; i++) {
        struct bytes_of m = pack(&replies[i]);
        unsigned char out[128];
        struct push_reply r;
        struct arena arena;
        struct error e;

        for (size_t shift = 0; shift < 8; shift++) { /* no alignment is needed */
            assert_int_equal(push_reply_size(&replies[i]), m.size);
            memset(out, 0xee, sizeof out);
            push_reply_write(&replies[i], out + shift);
            assert_memory_equal(out + shift, m.data, m.size);
            assert_int_equal(out[shift + m.size], 0xee);
        }
        arena_init(&arena, LIMIT);
        assert_ok(push_reply_read(&r, m.data, m.size, &arena, &e), e);
        assert_int_equal(r.duplicate, replies[i].duplicate);
        assert_int_equal(r.count, replies[i].count);
        for (size_t k = 0; k < r.count; k++)
            assert_true(r.versions[k] == replies[i].versions[k]);
        assert_true(r.lsn == replies[i].lsn && r.skipped == replies[i].skipped);
        arena_done(&arena);
        bytes_free(&m);
    }
}

static void test_every_prefix_and_flipped_bit_reads_as_protobuf_c_reads_it(void **state)
{
    struct bytes_of m = pack(&replies[0]);
    size_t good = 0, bad = 0;

    (void)state;
    for (size_t n = 0; n <= m.size; n++) {
        struct bytes_of prefix = bytes_copy(m.data, n);

        good += read_both(prefix.data, n) == ST_OK;
        bytes_free(&prefix);
    }
    assert_int_equal(good, 5); /* nothing, four fields */
    good = 0;
    for (size_t i = 0; i < 8 * m.size; i++) {
        m.data[i / 8] ^= (unsigned char)(1 << i % 8);
        if (read_both(m.data, m.size) == ST_OK)
            good++;
        else
            bad++;
        m.data[i / 8] ^= (unsigned char)(1 << i % 8);
    }
    assert_true(good > 50 && bad > 40);
    bytes_free(&m);
}

static void test_unusual_and_malformed_replies(void **state)
{
    static const struct {
        const char *name, *hex;
        enum status status;
    } cases[] = {
        {"duplicate as bytes", "0a 01 01", ST_INTERNAL},
        {"duplicate as fixed32", "0d 01000000", ST_INTERNAL},
        {"duplicate cut", "08 80", ST_INTERNAL},
        {"versions as fixed64", "11 0100000000000000", ST_INTERNAL},
        {"versions as fixed32", "15 01000000", ST_INTERNAL},
        {"versions past the end", "12 02 01", ST_INTERNAL},
        {"versions: the last one cut", "12 02 0180", ST_INTERNAL},
        {"versions: one of eleven bytes", "12 0b ffffffffffffffffffff01", ST_INTERNAL},
        {"versions: a bad piece behind a good one", "12 01 01 12 01 80", ST_INTERNAL},
        {"lsn as bytes", "1a 01 01", ST_INTERNAL},
        {"skipped as fixed64", "21 0100000000000000", ST_INTERNAL},
        {"group", "2b 2c", ST_INTERNAL},
        {"field 0", "00 01", ST_INTERNAL},
        {"field 2^29", "8080808010 01", ST_INTERNAL},
        {"duplicate of 2", "08 02", ST_OK},
        {"duplicate twice", "08 01 08 00", ST_OK},
        {"duplicate with a bit above the 64th", "08 80808080808080808002", ST_OK},
        {"versions one by one", "10 01 10 ac02", ST_OK},
        {"versions in pieces, one empty", "12 01 01 12 00 10 02 12 02 0304", ST_OK},
        {"a version above 64 bits", "12 0a ffffffffffffffffff7f", ST_OK},
        {"fields out of order", "20 01 18 02 12 01 03 08 01", ST_OK},
        {"unknown fields", "28 01 32 01 61 3d 01020304 41 0102030405060708", ST_OK},
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
    unsigned char *m = calloc(MANY + 8, 1), *p = m;
    struct push_reply r;
    struct arena arena;
    struct error e;

    (void)state;
    assert_non_null(m);
    for (const char *c = "\x12\xd0\x86\x03"; *c; c++) /* 50,000 versions of a byte each */
        *p++ = (unsigned char)*c;
    arena_init(&arena, 64 << 10);
    assert_fails(push_reply_read(&r, m, MANY + 4, &arena, &e), ST_EXHAUSTED, e,
                 "PushResponse does not fit in the 65536 bytes");
    assert_true(arena.used <= arena.cap);
    arena_done(&arena);
    arena_init(&arena, MANY * 8 + 8192);
    assert_ok(push_reply_read(&r, m, MANY + 4, &arena, &e), e);
    assert_int_equal(r.count, MANY);
    arena_done(&arena);
    free(m);
}

#ifdef EMBD_DEVELOPER
static void test_no_memory_is_a_status(void **state)
{
    struct bytes_of m = bytes_of("12 02 0102 10 03");
    enum status st = ST_EXHAUSTED;

    (void)state;
    for (uint64_t n = 1; st != ST_OK; n++) {
        struct push_reply r;
        struct arena arena;
        struct error e;

        arena_init(&arena, LIMIT);
        mem_fail_at(n, true);
        st = push_reply_read(&r, m.data, m.size, &arena, &e);
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
        cmocka_unit_test(test_replies_are_written_as_protobuf_does_and_read_again),
        cmocka_unit_test(test_every_prefix_and_flipped_bit_reads_as_protobuf_c_reads_it),
        cmocka_unit_test(test_unusual_and_malformed_replies),
        cmocka_unit_test(test_cap_holds),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_no_memory_is_a_status),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
