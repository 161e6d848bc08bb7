/* SPDX-License-Identifier: Apache-2.0 */
/* The streaming reader of lookup replies: every way to cut a message in pieces, what it refuses,
   and agreement with the reader of whole messages. */
#include "client/reply_reader.h"

#include "base/memory.h"
#include "proto/lookup_coding.h"
#include "tests/reply_write.h"
#include "tests/unit/unit.h"

#define LENGTH(a) (sizeof(a) / sizeof *(a))

static const int64_t three_ids[] = {5, 6, 7};

/* A question of one table and three ids, and a reader for its answer. */
struct reading {
    embd_lookup lookup;
    float out[64];
    uint32_t missing[8];
    struct reply_result result;
    struct reply_reader reader;
};

static void reading_init(struct reading *r, int format)
{
    memset(r, 0, sizeof *r);
    r->lookup = (embd_lookup){.table = "words",
                              .ids = three_ids,
                              .id_count = 3,
                              .out = r->out,
                              .out_bytes = sizeof r->out,
                              .missing = r->missing,
                              .missing_room = LENGTH(r->missing)};
    r->result.lookup = &r->lookup;
    reply_reader_init(&r->reader, format, &r->result, 1);
}

/* Read a message cut in two at `cut`, each part in pieces of at most `step` bytes. */
static enum status read_cut(struct reading *r, const unsigned char *data, size_t n, size_t cut,
                            size_t step, struct error *e)
{
    enum status st = ST_OK;

    reply_reader_begin(&r->reader, (uint32_t)n);
    for (size_t at = 0; at < n && st == ST_OK;) {
        size_t end = at < cut ? cut : n, part = end - at < step ? end - at : step;

        st = reply_reader_add(&r->reader, data + at, part, e);
        at += part;
    }
    return st == ST_OK ? reply_reader_end(&r->reader, e) : st;
}

/* A faultless answer of three rows, two columns, to the question above. Returns its length. */
static size_t make_reply(unsigned char *out, size_t room, bool packed, float first)
{
    static const uint32_t missing[] = {1, 2};
    struct table_vectors v = {.dim = 2,
                              .rows = 3,
                              .packed = packed,
                              .value_bytes = packed ? 12 : 24,
                              .version = 300,
                              .missing = missing,
                              .missing_count = 2};
    size_t n = lookup_reply_size(&v, 1, 77);
    float value[6];

    assert_true(n <= room);
    for (int i = 0; i < 6; i++)
        value[i] = first + (float)i;
    reply_write(&v, 1, 77, (const void *[]){value}, out);
    return n;
}

static void check_reading(const struct reading *r)
{
    assert_int_equal(r->lookup.dim, 2);
    assert_int_equal(r->lookup.rows, 3);
    assert_int_equal(r->lookup.version, 300);
    assert_int_equal(r->lookup.missing_count, 2);
    assert_int_equal(r->missing[0], 1);
    assert_int_equal(r->missing[1], 2);
    assert_ptr_equal(r->lookup.values, r->out);
    assert_int_equal(r->lookup.value_bytes, 24);
    for (int i = 0; i < 6; i++)
        assert_true(r->out[i] == 1.5f + (float)i);
}

static void test_message_cut_anywhere(void **state)
{
    unsigned char message[256];
    size_t n = make_reply(message, sizeof message, false, 1.5f);
    struct reading r;
    struct error e;

    (void)state;
    for (size_t cut = 0; cut <= n; cut++)
        for (size_t step = 1; step <= n; step = step * 2 + 1) {
            reading_init(&r, EMBD_FORMAT_F32);
            assert_ok(read_cut(&r, message, n, cut, step, &e), e);
            check_reading(&r);
        }
}

static void test_reader_begins_anew(void **state)
{
    unsigned char other[256], message[256];
    size_t n = make_reply(message, sizeof message, false, 1.5f);
    struct reading r;
    struct error e;

    (void)state;
    /* The call broke off within its first reply and was sent again. */
    make_reply(other, sizeof other, false, 9.0f);
    for (size_t stop = 0; stop < n; stop++) {
        reading_init(&r, EMBD_FORMAT_F32);
        reply_reader_begin(&r.reader, (uint32_t)n);
        assert_ok(reply_reader_add(&r.reader, other, stop, &e), e);
        assert_ok(read_cut(&r, message, n, 0, n, &e), e);
        check_reading(&r);
    }
}

static void test_packed_format(void **state)
{
    unsigned char message[256];
    size_t n = make_reply(message, sizeof message, true, 1.5f);
    struct reading r;
    struct error e;

    (void)state;
    reading_init(&r, EMBD_FORMAT_BF16);
    assert_ok(read_cut(&r, message, n, 0, 3, &e), e);
    assert_int_equal(r.lookup.value_bytes, 12);
    reading_init(&r, EMBD_FORMAT_F32);
    assert_fails(read_cut(&r, message, n, 0, 3, &e), ST_INTERNAL, e, "in another format");
    n = make_reply(message, sizeof message, false, 1.5f);
    reading_init(&r, EMBD_FORMAT_F16);
    assert_fails(read_cut(&r, message, n, 0, 3, &e), ST_INTERNAL, e, "in another format");
}

static void test_rows_are_lent_without_out(void **state)
{
    unsigned char message[256];
    size_t n = make_reply(message, sizeof message, false, 1.5f);
    struct reading r;
    struct error e;

    (void)state;
    reading_init(&r, EMBD_FORMAT_F32);
    r.lookup.out = NULL;
    assert_ok(read_cut(&r, message, n, 0, 5, &e), e);
    assert_ptr_equal(r.lookup.values, r.result.own);
    memcpy(r.out, r.lookup.values, r.lookup.value_bytes);
    r.lookup.values = r.out;
    check_reading(&r);
    mem_free(r.result.own);
}

static void test_too_little_room_names_the_need(void **state)
{
    unsigned char message[256];
    size_t n = make_reply(message, sizeof message, false, 1.5f);
    struct reading r;
    struct error e;

    (void)state;
    for (size_t room = 0; room < 24; room++) {
        reading_init(&r, EMBD_FORMAT_F32);
        r.lookup.out_bytes = room;
        memset(r.out, 0x55, sizeof r.out);
        assert_fails(read_cut(&r, message, n, 0, 7, &e), ST_EXHAUSTED, e, "take 24 bytes");
        for (size_t i = room; i < sizeof r.out; i++)
            assert_int_equal(((unsigned char *)r.out)[i], 0x55);
    }
}

static void test_more_missing_than_room(void **state)
{
    unsigned char message[256];
    size_t n = make_reply(message, sizeof message, false, 1.5f);
    struct reading r;
    struct error e;

    (void)state;
    reading_init(&r, EMBD_FORMAT_F32);
    r.lookup.missing_room = 1;
    r.missing[1] = 99;
    assert_ok(read_cut(&r, message, n, 0, n, &e), e);
    assert_int_equal(r.lookup.missing_count, 2);
    assert_int_equal(r.missing[0], 1);
    assert_int_equal(r.missing[1], 99);
}

/* Messages of one result are written as its fields: `fields` goes into field 1 of the response. */
struct odd_case {
    const char *name;
    enum status status;
    const char *words;
    const char *fields;
    size_t n;
};

#define BYTES(text) text, sizeof(text) - 1
#define ROWS_OF_1 "\x08\x01\x10\x03"
#define VALUES                                                                                     \
    "\x1a\x0c"                                                                                     \
    "abcdefghijkl"

static const struct odd_case odd_cases[] = {
    {"plain", ST_OK, "", BYTES(ROWS_OF_1 VALUES)},
    {"fields in reverse", ST_OK, "", BYTES(VALUES "\x10\x03\x08\x01")},
    {"values one by one", ST_OK, "",
     BYTES(ROWS_OF_1 "\x1d"
                     "abcd"
                     "\x1d"
                     "efgh"
                     "\x1d"
                     "ijkl")},
    {"values in pieces", ST_OK, "",
     BYTES(ROWS_OF_1 "\x1a\x04"
                     "abcd"
                     "\x1a\x00"
                     "\x1d"
                     "efgh"
                     "\x1a\x04"
                     "ijkl")},
    {"missing one by one", ST_OK, "", BYTES(ROWS_OF_1 VALUES "\x35\x02\0\0\0")},
    {"unknown fields", ST_OK, "",
     BYTES("\x78\x05\x7a\x03"
           "xyz"
           "\x79"
           "12345678"
           "\x7d"
           "1234" ROWS_OF_1 VALUES)},
    {"dim given twice", ST_OK, "", BYTES("\x08\x09" ROWS_OF_1 VALUES)},
    {"number over many bytes", ST_OK, "",
     BYTES("\x08\x81\x80\x80\x80\x80\x80\x80\x80\x80\x00"
           "\x10\x03" VALUES)},
    {"too few values", ST_INTERNAL, "8 bytes came for 3 rows of 1",
     BYTES(ROWS_OF_1 "\x1a\x08"
                     "abcdefgh")},
    {"too many values", ST_INTERNAL, "16 bytes came",
     BYTES(ROWS_OF_1 VALUES "\x1d"
                            "mnop")},
    {"no values", ST_INTERNAL, "0 bytes came", BYTES(ROWS_OF_1)},
    {"no dim", ST_INTERNAL, "rows of 0 columns", BYTES("\x10\x03" VALUES)},
    {"two rows", ST_INTERNAL, "2 rows came for 3",
     BYTES("\x08\x01\x10\x02\x1a\x08"
           "abcdefgh")},
    {"huge dim", ST_INTERNAL, "12 bytes came for 3 rows of 4294967295",
     BYTES("\x08\xff\xff\xff\xff\x0f\x10\x03" VALUES)},
    {"values not of four", ST_INTERNAL, "not a LookupResponse",
     BYTES(ROWS_OF_1 "\x1a\x03"
                     "abc")},
    {"missing not of four", ST_INTERNAL, "not a LookupResponse",
     BYTES(ROWS_OF_1 VALUES "\x32\x03"
                            "abc")},
    {"missing beyond the ids", ST_INTERNAL, "id number 3 of 3",
     BYTES(ROWS_OF_1 VALUES "\x32\x04\x03\0\0\0")},
    {"dim as bytes", ST_INTERNAL, "not a LookupResponse", BYTES("\x0a\x01\x01\x10\x03" VALUES)},
    {"values as number", ST_INTERNAL, "not a LookupResponse", BYTES(ROWS_OF_1 "\x18\x01")},
    {"values as fixed64", ST_INTERNAL, "not a LookupResponse",
     BYTES(ROWS_OF_1 "\x19"
                     "abcdefgh")},
    {"packed as number", ST_INTERNAL, "not a LookupResponse", BYTES(ROWS_OF_1 "\x20\x01" VALUES)},
    {"field 0", ST_INTERNAL, "not a LookupResponse", BYTES(ROWS_OF_1 VALUES "\x00\x01")},
    {"group", ST_INTERNAL, "not a LookupResponse", BYTES(ROWS_OF_1 VALUES "\x7b\x7c")},
    {"wire type 7", ST_INTERNAL, "not a LookupResponse", BYTES(ROWS_OF_1 VALUES "\x7f\x01")},
    {"length past the result", ST_INTERNAL, "not a LookupResponse",
     BYTES(ROWS_OF_1 "\x1a\x7f"
                     "abcd")},
    {"length of 2^64 - 1", ST_INTERNAL, "not a LookupResponse",
     BYTES(ROWS_OF_1 "\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                     "abcd")},
    {"number of eleven bytes", ST_INTERNAL, "not a LookupResponse",
     BYTES("\x08\x81\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00\x10\x03" VALUES)},
    {"number above 2^64", ST_INTERNAL, "not a LookupResponse",
     BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x10\x03" VALUES)},
    {"tag above 2^32", ST_INTERNAL, "not a LookupResponse",
     BYTES(ROWS_OF_1 VALUES "\xf8\xff\xff\xff\xff\x01\x01")},
    {"ends within a tag", ST_INTERNAL, "not a LookupResponse", BYTES(ROWS_OF_1 VALUES "\xf8")},
    {"ends within a number", ST_INTERNAL, "not a LookupResponse",
     BYTES(ROWS_OF_1 VALUES "\x28\xff")},
    {"ends within a fixed number", ST_INTERNAL, "not a LookupResponse",
     BYTES(ROWS_OF_1 VALUES "\x7d\x01")},
};

static void test_odd_results(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(odd_cases); i++) {
        const struct odd_case *c = &odd_cases[i];
        unsigned char message[128] = {0x0a, (unsigned char)c->n};
        size_t n = c->n + 2;

        assert_true(n <= sizeof message);
        memcpy(message + 2, c->fields, c->n);
        for (size_t step = 1; step <= n; step++) {
            struct reading r;
            struct error e = {""};
            enum status st;

            reading_init(&r, EMBD_FORMAT_F32);
            st = read_cut(&r, message, n, 0, step, &e);
            if (st != c->status || (st != ST_OK && !strstr(e.text, c->words)))
                fail_msg("%s, step %zu: %s \"%s\"", c->name, step, status_name(st), e.text);
            if (st == ST_OK)
                assert_memory_equal(r.out, "abcdefghijkl", 12);
        }
    }
}

static const struct odd_case odd_responses[] = {
    {"two results", ST_INTERNAL, "more results than the 1", BYTES("\x0a\x00\x0a\x00")},
    {"no result", ST_INTERNAL, "has 0 results", BYTES("")},
    {"lsn alone", ST_INTERNAL, "has 0 results", BYTES("\x10\x05")},
    {"result as number", ST_INTERNAL, "not a LookupResponse", BYTES("\x08\x05")},
    {"lsn as bytes", ST_INTERNAL, "not a LookupResponse", BYTES("\x12\x01x")},
    {"empty result", ST_INTERNAL, "0 rows came for 3", BYTES("\x0a\x00")},
    {"result past the end", ST_INTERNAL, "not a LookupResponse", BYTES("\x0a\x10\x08\x01")},
    {"text", ST_INTERNAL, "not a LookupResponse", BYTES("<html><body>")},
};

static void test_odd_responses(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(odd_responses); i++) {
        const struct odd_case *c = &odd_responses[i];

        for (size_t step = 1; step <= c->n + 1; step++) {
            struct reading r;
            struct error e = {""};
            enum status st;

            reading_init(&r, EMBD_FORMAT_F32);
            st = read_cut(&r, (const unsigned char *)c->fields, c->n, 0, step, &e);
            if (st != c->status || !strstr(e.text, c->words))
                fail_msg("%s, step %zu: %s \"%s\"", c->name, step, status_name(st), e.text);
        }
    }
}

/* What the reader of whole messages refuses, this one refuses; what both take is the same. */
static void compare(const unsigned char *message, size_t n, const char *what, size_t where)
{
    struct table_vectors *v;
    struct arena arena;
    struct reading r;
    struct error e, whole_error;
    enum status whole, st;
    size_t count;
    uint64_t lsn;

    arena_init(&arena, 1 << 20);
    whole = lookup_reply_read(&v, &count, &lsn, message, n, &arena, &whole_error);
    reading_init(&r, EMBD_FORMAT_F32);
    st = read_cut(&r, message, n, n / 2, 3, &e);
    if (whole != ST_OK && st == ST_OK)
        fail_msg("%s %zu: taken, but refused as a whole: %s", what, where, whole_error.text);
    if (st == ST_OK) {
        assert_int_equal(count, 1);
        assert_int_equal(v->dim, r.lookup.dim);
        assert_int_equal(v->rows, r.lookup.rows);
        assert_int_equal(v->version, r.lookup.version);
        assert_int_equal(v->missing_count, r.lookup.missing_count);
        assert_memory_equal(v->received_missing.data, r.missing, v->received_missing.size);
        assert_int_equal(v->value_bytes, r.lookup.value_bytes);
        assert_memory_equal(v->received_values.data, r.out, v->value_bytes);
    }
    arena_done(&arena);
}

static void test_agrees_with_the_reader_of_whole_messages(void **state)
{
    unsigned char message[256];
    size_t n = make_reply(message, sizeof message, false, 1.5f);

    (void)state;
    for (size_t end = 0; end <= n; end++)
        compare(message, end, "prefix", end);
    for (size_t i = 0; i < n; i++) {
        unsigned char kept = message[i];

        for (unsigned bit = 0; bit < 256; bit++) {
            message[i] = (unsigned char)bit;
            compare(message, n, "byte", i);
        }
        message[i] = kept;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_message_cut_anywhere),
        cmocka_unit_test(test_reader_begins_anew),
        cmocka_unit_test(test_packed_format),
        cmocka_unit_test(test_rows_are_lent_without_out),
        cmocka_unit_test(test_too_little_room_names_the_need),
        cmocka_unit_test(test_more_missing_than_room),
        cmocka_unit_test(test_odd_results),
        cmocka_unit_test(test_odd_responses),
        cmocka_unit_test(test_agrees_with_the_reader_of_whole_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
