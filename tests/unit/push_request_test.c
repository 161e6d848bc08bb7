/* SPDX-License-Identifier: Apache-2.0 */
/* PushRequests that are right, their bytes as protobuf-c writes them, and what becomes of them when
   they are cut, bent or too large. push_malformed_test.c has those that are wrong. */
#include "proto/push_coding.h"

#include "base/memory.h"
#include "proto/wire.h"
#include "tests/push_compare.h"
#include "tests/unit/bytes.h"

#define LIMIT ((size_t)1 << 20)
#define MANY_BYTES 4096 /* from here on an array is a piece of its own */

/* A request with every field: rows, weighted bags, packed halves, a push of nothing. */
static int64_t ids[] = {0, 5, -1, INT64_MAX, INT64_MIN, 5};
static float gradients[] = {1, -0.0f, 0.25f, 1e-40f, 3, -4};
static uint32_t offsets[] = {0, 2, 2, 6};
static float weights[] = {1, 0.5f, -2, 0, 1e30f, 3};
static uint8_t packed[] = {1, 2, 3, 4, 5, 6};
static Embd__V1__TablePush pushes[4];
static Embd__V1__TablePush *pointers[4];
static Embd__V1__PushRequest full;

static void make_full(void)
{
    for (size_t i = 0; i < 4; i++) {
        embd__v1__table_push__init(&pushes[i]);
        pointers[i] = &pushes[i];
    }
    pushes[0].table = (char *)"words";
    pushes[0].n_ids = 6;
    pushes[0].ids = ids;
    pushes[0].n_gradients = 6;
    pushes[0].gradients = gradients;
    pushes[1].table = (char *)"caf\xc3\xa9";
    pushes[1].n_ids = 6;
    pushes[1].ids = ids;
    pushes[1].n_gradients = 3;
    pushes[1].gradients = gradients;
    pushes[1].pooling = EMBD__V1__POOLING__POOLING_SUM;
    pushes[1].n_offsets = 4;
    pushes[1].offsets = offsets;
    pushes[1].n_weights = 6;
    pushes[1].weights = weights;
    pushes[2].table = (char *)"t";
    pushes[2].pooling = (Embd__V1__Pooling)-3; /* a number to come: ten bytes on the wire */
    pushes[2].n_ids = 3;
    pushes[2].ids = ids;
    pushes[2].format = EMBD__V1__VECTOR_FORMAT__VECTOR_FORMAT_F16;
    pushes[2].packed = (ProtobufCBinaryData){sizeof packed, packed};
    embd__v1__push_request__init(&full);
    full.trainer = (char *)"trainer:1";
    full.sequence = UINT64_MAX;
    full.n_pushes = 4;
    full.pushes = pointers;
    full.rate_case = EMBD__V1__PUSH_REQUEST__RATE_LEARNING_RATE;
    full.learning_rate = 0.125f;
    full.missing = EMBD__V1__PUSH_MISSING__PUSH_MISSING_SKIP;
}

static struct bytes_of pack(const Embd__V1__PushRequest *request)
{
    struct bytes_of m = {malloc(embd__v1__push_request__get_packed_size(request) + 1), 0};

    assert_non_null(m.data);
    m.size = embd__v1__push_request__pack(request, m.data);
    return m;
}

/* Read bytes with both readers and check that they agree. */
static enum status read_both(const unsigned char *data, size_t n)
{
    Embd__V1__PushRequest *theirs = embd__v1__push_request__unpack(NULL, n, data);
    struct push_request ours;
    struct arena arena;
    struct error e;
    enum status st;

    arena_init(&arena, LIMIT);
    st = push_request_read(&ours, data, n, &arena, &e);
    if (st == ST_OK) {
        assert_non_null(theirs);
        assert_null(push_difference(&ours, theirs));
    } else {
        assert_int_equal(st, ST_INTERNAL);
        assert_true(!theirs || push_refused(data, n));
    }
    if (theirs)
        embd__v1__push_request__free_unpacked(theirs, NULL);
    arena_done(&arena);
    return st;
}

static void test_request_is_read_in_place_and_written_as_protobuf_does(void **state)
{
    struct bytes_of m = pack(&full);
    struct push_request r;
    struct arena arena;
    struct error e;
    unsigned char out[1024];

    (void)state;
    arena_init(&arena, LIMIT);
    assert_ok(push_request_read(&r, m.data, m.size, &arena, &e), e);
    assert_null(push_difference(&r, &full));
    assert_int_equal(r.ids, 15);
    for (size_t i = 0; i < r.count; i++) {
        const unsigned char *places[] = {r.push[i].ids.data, r.push[i].gradients.data,
                                         r.push[i].packed.data};

        for (size_t k = 0; k < 3; k++)
            assert_true(!places[k] || (places[k] > m.data && places[k] < m.data + m.size));
    }
    for (size_t shift = 0; shift < 8; shift++) { /* no alignment is needed */
        assert_int_equal(push_request_size(&r), m.size);
        memset(out, 0xee, sizeof out);
        push_request_write(&r, out + shift);
        assert_memory_equal(out + shift, m.data, m.size);
        assert_int_equal(out[shift + m.size], 0xee);
    }
    arena_done(&arena);
    bytes_free(&m);
}

static void test_empty_request(void **state)
{
    struct push_request r;
    struct arena arena;
    struct error e;

    (void)state;
    arena_init(&arena, 0);
    assert_ok(push_request_read(&r, NULL, 0, &arena, &e), e);
    assert_int_equal(r.count, 0);
    assert_false(r.has_rate);
    assert_int_equal(push_request_size(&r), 0);
    push_request_write(&r, NULL);
}

/* A rate of zero is a rate: it stops a table from learning, where no rate means the table's own. */
static void test_rate_of_zero_is_there(void **state)
{
    struct bytes_of m = bytes_of("25 00000000");
    struct push_request r;
    unsigned char out[5];
    struct arena arena;
    struct error e;

    (void)state;
    arena_init(&arena, 0);
    assert_ok(push_request_read(&r, m.data, m.size, &arena, &e), e);
    assert_true(r.has_rate && r.learning_rate == 0);
    assert_int_equal(push_request_size(&r), 5);
    push_request_write(&r, out);
    assert_memory_equal(out, m.data, 5);
    assert_int_equal(read_both(m.data, m.size), ST_OK);
    bytes_free(&m);
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
    /* Between two fields of the request: nothing, trainer, sequence, four pushes, two numbers. */
    assert_int_equal(good, 9);
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
    /* ids 1 | 2, gradients 1 | 2 3, offsets and weights one by one; bytes are not joined */
    struct bytes_of m = bytes_of("1a 00"
                                 "12 08 0100000000000000"
                                 "1d 0000803f"
                                 "2d 00000000"
                                 "11 0200000000000000"
                                 "1a 08 00000040 00004040"
                                 "2d 02000000"
                                 "35 0000803f"
                                 "42 01 61"
                                 "35 00000040"
                                 "42 01 62");
    const int64_t want_ids[] = {1, 2};
    const float want_gradients[] = {1, 2, 3}, want_weights[] = {1, 2};
    const uint32_t want_offsets[] = {0, 2};
    struct push_request r;
    struct arena arena;
    struct error e;

    (void)state;
    m.data[1] = (unsigned char)(m.size - 2);
    arena_init(&arena, LIMIT);
    assert_ok(push_request_read(&r, m.data, m.size, &arena, &e), e);
    assert_int_equal(r.ids, 2);
    assert_true(same_array(r.push[0].ids, want_ids, 2, 8));
    assert_true(same_array(r.push[0].gradients, want_gradients, 3, 4));
    assert_true(same_array(r.push[0].offsets, want_offsets, 2, 4));
    assert_true(same_array(r.push[0].weights, want_weights, 2, 4));
    assert_true(same_array(r.push[0].packed, "b", 1, 1));
    assert_int_equal(read_both(m.data, m.size), ST_OK);
    arena_done(&arena);
    bytes_free(&m);
}

static void test_amplifiers_meet_the_cap(void **state)
{
    enum { MANY = 100000 };
    unsigned char *m = calloc(MANY, 10), *p;
    struct push_request r;
    struct arena arena;
    struct error e;

    (void)state;
    assert_non_null(m);
    for (size_t i = 0; i < MANY; i++) /* empty pushes */
        m[2 * i] = 0x1a;
    arena_init(&arena, 64 << 10);
    assert_fails(push_request_read(&r, m, 2 * (size_t)MANY, &arena, &e), ST_EXHAUSTED, e,
                 "100000 pushes do not fit in the 65536 bytes");
    assert_true(arena.used <= arena.cap);
    arena_done(&arena);

    p = wire_put_varint(wire_put_tag(m, 3, WIRE_BYTES), MANY * 5); /* unpacked gradients */
    for (size_t i = 0; i < MANY; i++)
        p = wire_put_u32(wire_put_tag(p, 3, WIRE_FIXED32), 0);
    arena_init(&arena, 64 << 10);
    assert_fails(push_request_read(&r, m, (size_t)(p - m), &arena, &e), ST_EXHAUSTED, e,
                 "push 0 does not fit in the 65536 bytes");
    arena_done(&arena);
    arena_init(&arena, MANY * 4 + 8192);
    assert_ok(push_request_read(&r, m, (size_t)(p - m), &arena, &e), e);
    assert_int_equal(r.push[0].gradients.size, MANY * 4);
    arena_done(&arena);
    free(m);
}

/* In pieces, large arrays are sent from where they are, and the bytes are the same. */
static void test_pieces_are_the_message(void **state)
{
    static unsigned char large[3][MANY_BYTES];
    struct table_push push[3] = {
        {.table = {"a", 1}, .ids = {large[0], MANY_BYTES}, .gradients = {large[1], MANY_BYTES}},
        {.table = {"b", 1}, .ids = {large[0], MANY_BYTES - 8}, .weights = {large[2], 4}},
        {.table = {"c", 1}, .offsets = {large[0], MANY_BYTES}, .packed = {large[2], MANY_BYTES}},
    };
    struct push_request r = {
        .trainer = {"t", 1}, .sequence = 7, .push = push, .count = 3, .has_rate = true};
    struct bytes piece[9];
    unsigned char *whole, *gathered, *head;
    size_t size = push_request_size(&r), pieces, head_bytes, n = 0;

    (void)state;
    for (size_t i = 0; i < sizeof large; i++)
        large[i / MANY_BYTES][i % MANY_BYTES] = (unsigned char)(i * 7);
    head_bytes = push_request_gather_size(&r, &pieces);
    assert_int_equal(pieces, 9); /* four arrays that are large enough, and what is around them */
    assert_int_equal(head_bytes, size - 4 * MANY_BYTES);
    whole = malloc(size);
    gathered = malloc(size);
    head = malloc(head_bytes);
    assert_true(whole && gathered && head);
    push_request_write(&r, whole);
    push_request_gather(&r, head, piece);
    assert_ptr_equal(piece[0].data, head);
    assert_ptr_equal(piece[1].data, large[0]);
    assert_ptr_equal(piece[3].data, large[1]);
    for (size_t i = 0; i < pieces; i++) {
        if (piece[i].size)
            memcpy(gathered + n, piece[i].data, piece[i].size);
        n += piece[i].size;
    }
    assert_int_equal(n, size);
    assert_memory_equal(gathered, whole, size);

    r.count = 0;
    assert_int_equal(push_request_gather_size(&r, &pieces), push_request_size(&r));
    assert_int_equal(pieces, 1);
    free(whole);
    free(gathered);
    free(head);
}

/* What a trainer repeats is told from what it changed by all 128 bits of the message's hash. */
static void test_content_is_xxh3_of_the_message(void **state)
{
    uint64_t content[2];

    (void)state;
    push_content(content, "", 0);
    assert_int_equal(content[0], UINT64_C(0x6001c324468d497f));
    assert_int_equal(content[1], UINT64_C(0x99aa06d3014798d8));
    push_content(content, "embd", 4);
    assert_int_equal(content[0], UINT64_C(0x967b4e6017624c9b));
    assert_int_equal(content[1], UINT64_C(0x9d89f37458de7971));
}

#ifdef EMBD_DEVELOPER
static void test_no_memory_is_a_status(void **state)
{
    /* Both the list of pushes and an array in pieces need some. */
    struct bytes_of m = bytes_of("1a 12 110100000000000000 110200000000000000");
    enum status st = ST_EXHAUSTED;

    (void)state;
    for (uint64_t n = 1; st != ST_OK; n++) {
        struct push_request r;
        struct arena arena;
        struct error e;

        arena_init(&arena, LIMIT);
        mem_fail_at(n, true);
        st = push_request_read(&r, m.data, m.size, &arena, &e);
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
        cmocka_unit_test(test_rate_of_zero_is_there),
        cmocka_unit_test(test_every_prefix_reads_as_protobuf_c_reads_it),
        cmocka_unit_test(test_every_flipped_bit_reads_as_protobuf_c_reads_it),
        cmocka_unit_test(test_arrays_in_pieces_are_joined),
        cmocka_unit_test(test_amplifiers_meet_the_cap),
        cmocka_unit_test(test_pieces_are_the_message),
        cmocka_unit_test(test_content_is_xxh3_of_the_message),
#ifdef EMBD_DEVELOPER
        cmocka_unit_test(test_no_memory_is_a_status),
#endif
    };

    make_full();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
