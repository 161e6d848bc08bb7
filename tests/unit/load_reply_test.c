/* SPDX-License-Identifier: Apache-2.0 */
/* What the load accepts as an answer: replies made by the daemon's own writer, then spoilt one way
   each, in pieces of every size. */
#include "client/load/reply.h"

#include "base/memory.h"
#include "tests/reply_write.h"
#include "tests/unit/unit.h"

static const struct load_table tables[] = {{.name = "ads", .rows = 1000, .dim = 8},
                                           {.name = "words", .rows = 1000, .dim = 3}};
static const uint32_t asked[] = {5, 2};

static struct load_plan plan_of(size_t count, uint32_t format)
{
    return (struct load_plan){.table = tables, .tables = count, .ids = 5, .format = format};
}

static enum status check(const struct load_plan *plan, const unsigned char *data, size_t n,
                         size_t piece, struct reply_check *c, struct error *e)
{
    enum status st = ST_OK;

    reply_check_begin(c, plan, asked, (uint32_t)n);
    for (size_t at = 0; at < n && st == ST_OK; at += piece)
        st = reply_check_add(c, data + at, piece < n - at ? piece : n - at, e);
    return st == ST_OK ? reply_check_end(c, e) : st;
}

/* Bytes of a reply with `count` results. */
static unsigned char *make(struct table_vectors *v, size_t count, uint64_t lsn, size_t *n)
{
    unsigned char *out;

    *n = lookup_reply_size(v, count, lsn);
    out = mem_alloc(*n + 64); /* some cases add to it */
    assert_non_null(out);
    memset(out, 0x55, *n);
    reply_write(v, count, lsn, NULL, out);
    return out;
}

static void test_right_replies_pass(void **state)
{
    static const uint32_t missing[] = {0, 4};
    static const size_t row[] = {32, 16, 16, 16}, other[] = {12, 6, 6, 11};

    (void)state;
    for (uint32_t format = 0; format < 4; format++) {
        struct load_plan plan = plan_of(2, format);
        struct table_vectors v[] = {
            {8, 5, format != 0, 5 * row[format], 77, missing, 2, {0}, {0}, {0}},
            {3, 2, format != 0, 2 * other[format], 0, NULL, 0, {0}, {0}, {0}}};
        size_t n;
        unsigned char *reply = make(v, 2, 1u << 20, &n);

        for (size_t piece = 1; piece <= n; piece++) {
            struct reply_check c;
            struct error e;

            assert_ok(check(&plan, reply, n, piece, &c, &e), e);
            assert_int_equal(c.missing, 2);
        }
        mem_free(reply);
    }
}

static void test_no_rows_asked_none_come(void **state)
{
    static const uint32_t none[] = {0};
    struct load_plan plan = plan_of(1, 0);
    struct table_vectors v = {.dim = 8};
    struct reply_check c;
    struct error e;
    size_t n;
    unsigned char *reply = make(&v, 1, 0, &n);

    (void)state;
    reply_check_begin(&c, &plan, none, (uint32_t)n);
    assert_ok(reply_check_add(&c, reply, n, &e), e);
    assert_ok(reply_check_end(&c, &e), e);
    mem_free(reply);
}

static void test_wrong_replies_are_told(void **state)
{
    static const uint32_t missing[6];
    static const struct {
        const char *words;
        size_t asked, results;
        uint32_t format;
        struct table_vectors v[2];
    } rows[] = {
        {"dim 7 came, not 8", 1, 1, 0, {{.dim = 7, .rows = 5, .value_bytes = 140}}},
        {"4 rows came for 5", 1, 1, 0, {{.dim = 8, .rows = 4, .value_bytes = 128}}},
        {"6 rows came for 5", 1, 1, 0, {{.dim = 8, .rows = 6, .value_bytes = 192}}},
        {"156 bytes of rows came, not 160", 1, 1, 0, {{.dim = 8, .rows = 5, .value_bytes = 156}}},
        {"164 bytes of rows came, not 160", 1, 1, 0, {{.dim = 8, .rows = 5, .value_bytes = 164}}},
        {"0 bytes of rows came, not 160", 1, 1, 0, {{.dim = 8, .rows = 5}}},
        {"another format", 1, 1, 0, {{.dim = 8, .rows = 5, .packed = true, .value_bytes = 160}}},
        {"another format", 1, 1, 1, {{.dim = 8, .rows = 5, .value_bytes = 80}}},
        {"79 bytes of rows came, not 80",
         1,
         1,
         3,
         {{.dim = 8, .rows = 5, .packed = true, .value_bytes = 79}}},
        {"6 of 5 ids are called unknown",
         1,
         1,
         0,
         {{.dim = 8, .rows = 5, .value_bytes = 160, .missing = missing, .missing_count = 6}}},
        {"has 0 results, asked for were 1", 1, 0, 0, {{0}}},
        {"has 1 results, asked for were 2", 2, 1, 0, {{.dim = 8, .rows = 5, .value_bytes = 160}}},
        {"more results than the 1",
         1,
         2,
         0,
         {{.dim = 8, .rows = 5, .value_bytes = 160}, {.dim = 3, .rows = 2, .value_bytes = 24}}},
        {"\"words\": rows of dim 8",
         2,
         2,
         0,
         {{.dim = 8, .rows = 5, .value_bytes = 160}, {.dim = 8, .rows = 5, .value_bytes = 160}}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct load_plan plan = plan_of(rows[i].asked, rows[i].format);
        struct table_vectors v[2];
        unsigned char *reply;
        size_t n;

        memcpy(v, rows[i].v, sizeof v);
        reply = make(v, rows[i].results, 9, &n);
        for (size_t piece = 1; piece <= n; piece += 1 + piece / 4) {
            struct reply_check c;
            struct error e = {""};

            assert_fails(check(&plan, reply, n, piece, &c, &e), ST_INTERNAL, e, rows[i].words);
        }
        mem_free(reply);
    }
}

/* Valid protobuf around the right rows, and yet not the message that was asked for. */
static void test_bytes_too_many_are_told(void **state)
{
    static const struct {
        unsigned char more[16];
        size_t n;
        const char *words;
    } rows[] = {
        {{0x78, 1}, 2, "has 174 bytes, such a one takes 172"}, /* unknown field */
        {{0x7a, 3, 'a', 'b', 'c'}, 5, "has 177 bytes"},        /* unknown bytes */
        {{0x10, 5, 0x10, 9}, 4, "has 176 bytes"},              /* lsn again */
        {{0x79, 1, 2, 3, 4, 5, 6, 7, 8}, 9, "has 181 bytes"},  /* fixed64 */
        {{0x7d, 1, 2, 3, 4}, 5, "has 177 bytes"},              /* fixed32 */
        {{0x78}, 1, "not a LookupResponse"},                   /* number cut */
        {{0x7a, 4, 'a', 'b', 'c'}, 5, "not a LookupResponse"}, /* bytes cut */
        {{0x79, 1, 2, 3}, 4, "not a LookupResponse"},          /* fixed64 cut */
        {{0x7b}, 1, "not a LookupResponse"},                   /* a group */
        {{0x00, 0}, 2, "not a LookupResponse"},                /* field 0 */
        {{0x0a, 40, 8, 8}, 4, "not a LookupResponse"},         /* one more, cut */
        {{0x10, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, 12, "not a LookupResponse"},
    };
    struct load_plan plan = plan_of(1, 0);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct table_vectors v = {.dim = 8, .rows = 5, .value_bytes = 160};
        size_t n;
        unsigned char *reply = make(&v, 1, 9, &n);

        memcpy(reply + n, rows[i].more, rows[i].n);
        for (size_t piece = 1; piece <= n + rows[i].n; piece += 1 + piece / 4) {
            struct reply_check c;
            struct error e = {""};

            if (check(&plan, reply, n + rows[i].n, piece, &c, &e) == ST_OK)
                fail_msg("row %zu passed in pieces of %zu", i, piece);
            if (!strstr(e.text, rows[i].words))
                fail_msg("row %zu: \"%s\"", i, e.text);
        }
        mem_free(reply);
    }
}

static void test_every_cut_reply_is_told(void **state)
{
    struct load_plan plan = plan_of(1, 0);
    struct table_vectors v = {.dim = 8, .rows = 5, .value_bytes = 160, .version = 300};
    size_t n;
    unsigned char *reply = make(&v, 1, 0, &n);

    (void)state;
    for (size_t cut = 0; cut < n; cut++) {
        struct reply_check c;
        struct error e;

        assert_int_equal(check(&plan, reply, cut, 7, &c, &e), ST_INTERNAL);
    }
    mem_free(reply);
}

/* Whatever is changed in a reply: what is accepted is, to the reader of whole messages too, the
   answer that was asked for. */
static void test_what_passes_is_an_answer(void **state)
{
    static const uint32_t missing[] = {3};
    struct load_plan plan = plan_of(2, 1);
    struct table_vectors v[] = {{8, 5, true, 80, 77, missing, 1, {0}, {0}, {0}},
                                {3, 2, true, 12, 5, NULL, 0, {0}, {0}, {0}}};
    int passed = 0;
    struct random r;
    size_t n;
    unsigned char *reply = make(v, 2, 300, &n), *spoilt = mem_alloc(n);

    (void)state;
    random_init(&r, 1, 1);
    for (int turn = 0; turn < 20000; turn++) {
        struct table_vectors *results;
        struct reply_check c;
        struct arena arena;
        struct error e;
        size_t count;
        uint64_t lsn;

        memcpy(spoilt, reply, n);
        for (uint64_t i = 1 + random_below(&r, 3); i > 0; i--)
            spoilt[random_below(&r, n)] ^= (unsigned char)(1u << random_below(&r, 8));
        if (check(&plan, spoilt, n, 1 + random_below(&r, n), &c, &e) != ST_OK)
            continue;
        passed++;
        arena_init(&arena, 1 << 16);
        assert_ok(lookup_reply_read(&results, &count, &lsn, spoilt, n, &arena, &e), e);
        assert_int_equal(count, 2);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(results[i].dim, v[i].dim);
            assert_int_equal(results[i].rows, v[i].rows);
            assert_int_equal(results[i].value_bytes, v[i].value_bytes);
            assert_true(results[i].packed);
        }
        arena_done(&arena);
    }
    assert_true(passed > 1000); /* most of the bytes are rows */
    mem_free(spoilt);
    mem_free(reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_replies_pass),
        cmocka_unit_test(test_no_rows_asked_none_come),
        cmocka_unit_test(test_wrong_replies_are_told),
        cmocka_unit_test(test_bytes_too_many_are_told),
        cmocka_unit_test(test_every_cut_reply_is_told),
        cmocka_unit_test(test_what_passes_is_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
