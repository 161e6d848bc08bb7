/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a push: what is written is read again, and nothing else is. */
#include "storage/push_body.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

#define ROOM 65536

static const struct push_table tables[3] = {
    {"a", 1, 2, 0.5f, 3},
    {"b.c-d_E9", UINT64_MAX, UINT64_MAX - 1, -0.0f, UINT32_MAX},
    {"z", 7, 8, 9, 0}};

static size_t write_body(unsigned char *out, const char *trainer, uint64_t sequence, size_t count,
                         const char *message, size_t bytes)
{
    struct push_row row = {.trainer = trainer,
                           .sequence = sequence,
                           .content = {0x0123456789abcdef, 0xfedcba9876543210},
                           .table = tables,
                           .tables = count,
                           .message = message,
                           .bytes = bytes};
    size_t n;

    assert_true(push_body_size(&row, &n));
    assert_true(n <= ROOM);
    push_body_write(out, &row);
    return n;
}

static void test_body_comes_back(void **state)
{
    static const char *const trainers[] = {"", "a", "Trainer_0.1:x-y"};
    unsigned char data[ROOM];
    struct push_table table;
    struct push_body body;

    (void)state;
    for (size_t t = 0; t < 3; t++)
        for (size_t count = 0; count <= 3; count++)
            for (size_t bytes = 0; bytes < 3; bytes++) {
                uint64_t sequence = t ? INT64_MAX - (uint64_t)t : 0;
                size_t n = write_body(data, trainers[t], sequence, count, "\0x", bytes);

                assert_true(push_body_read(&body, data, n));
                assert_string_equal(body.row.trainer, trainers[t]);
                assert_int_equal(body.row.sequence, sequence);
                assert_int_equal(body.row.content[0], 0x0123456789abcdef);
                assert_int_equal(body.row.content[1], 0xfedcba9876543210);
                assert_int_equal(body.row.tables, count);
                assert_int_equal(body.row.bytes, bytes);
                assert_memory_equal(body.row.message, "\0x", bytes);
                for (size_t i = 0; i < count; i++) {
                    assert_true(push_body_table(&body, &table));
                    assert_string_equal(table.name, tables[i].name);
                    assert_int_equal(table.generation, tables[i].generation);
                    assert_int_equal(table.version, tables[i].version);
                    assert_memory_equal(&table.learning_rate, &tables[i].learning_rate, 4);
                    assert_int_equal(table.flags, tables[i].flags);
                }
                assert_false(push_body_table(&body, &table));
            }
}

/* The layout, byte for byte: it is what log.db holds. */
static void test_layout_stays_as_it_is(void **state)
{
    static const unsigned char expected[] =
        "a\0"
        "\x01\x01\0\0\x01\0\0\0"
        "\x05\0\0\0\0\0\0\0"
        "\xef\xcd\xab\x89\x67\x45\x23\x01\x10\x32\x54\x76\x98\xba\xdc\xfe"
        "\x02\0\0\0\0\0\0\0"
        "\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\0\0\0\x3f\x03\0\0\0"
        "thi";
    unsigned char data[ROOM];

    (void)state;
    assert_int_equal(write_body(data, "t", 5, 1, "hi", 2), sizeof expected - 1);
    assert_memory_equal(data, expected, sizeof expected - 1);
}

static void test_cut_or_longer_body_is_refused(void **state)
{
    unsigned char data[ROOM];
    struct push_body body;
    size_t n;

    (void)state;
    n = write_body(data, "trainer", 1, 3, "message", 7);
    assert_true(push_body_read(&body, data, n));
    data[n] = 0;
    assert_false(push_body_read(&body, data, n + 1));
    for (size_t i = 0; i < n; i++) {
        unsigned char *exact = malloc(i ? i : 1); /* a sanitizer sees the first byte past it */

        memcpy(exact, data, i);
        if (push_body_read(&body, exact, i))
            fail_msg("the first %zu of %zu bytes are taken for a body", i, n);
        free(exact);
    }
}

static void test_bad_head_is_refused(void **state)
{
    /* Places in a body of "a,b.c-d_E9" (11 bytes with the NUL) and trainer "t". */
    static const struct {
        const char *name;
        size_t at;
        unsigned char byte;
    } cases[] = {
        {"name that begins with a dot", 0, '.'},
        {"empty name", 0, ','},
        {"comma that is none", 1, 'x'},
        {"no name", 0, 0},
        {"space in a name", 3, ' '},
        {"other form", 11, 2},
        {"trainer too long", 12, 129},
        {"trainer shorter", 12, 0},
        {"padding", 13, 1},
        {"padding", 14, 1},
        {"a table more", 15, 3},
        {"a table less", 15, 1},
        {"no table", 15, 0},
        {"many tables", 18, 0xff},
        {"no sequence", 19, 0},
        {"sequence with a sign", 26, 0x80},
        {"longer message", 43, 8},
        {"endless message", 50, 0xff},
        {"trainer's name", 99, '/'},
    };
    unsigned char data[ROOM], was;
    struct push_body body;
    size_t n;

    (void)state;
    n = write_body(data, "t", 1, 2, "message", 7);
    assert_int_equal(n, 11 + 40 + 48 + 1 + 7);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        was = data[cases[i].at];
        data[cases[i].at] = cases[i].byte;
        if (was == cases[i].byte || push_body_read(&body, data, n))
            fail_msg("%s is taken for a body", cases[i].name);
        data[cases[i].at] = was;
    }
    n = write_body(data, "", 0, 2, "message", 7);
    data[19] = 1;
    assert_false(push_body_read(&body, data, n)); /* a sequence of nobody */
}

static void test_size_that_overflows_is_refused(void **state)
{
    struct push_row row = {.trainer = "", .bytes = SIZE_MAX - 40};
    size_t n;

    (void)state;
    assert_false(push_body_size(&row, &n));
    row.bytes = SIZE_MAX - 41;
    assert_true(push_body_size(&row, &n));
    assert_int_equal(n, SIZE_MAX);
}

static void test_changed_body_is_refused_or_adds_up(void **state)
{
    struct random random = {1};
    unsigned char data[ROOM];
    struct push_table table;
    struct push_body body;
    unsigned taken = 0;
    size_t n, count;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        n = write_body(data, "trainer", 9, 3, "message", 7);
        for (uint64_t changes = 1 + random_below(&random, 3); changes; changes--)
            data[random_below(&random, n)] = (unsigned char)random_u64(&random);
        if (!push_body_read(&body, data, n))
            continue;
        taken++;
        for (count = 0; push_body_table(&body, &table); count++)
            assert_true(strlen(table.name) <= 128);
        assert_int_equal(count, body.row.tables);
        assert_ptr_equal((const unsigned char *)body.row.message + body.row.bytes, data + n);
    }
    assert_true(taken > 100); /* most numbers may be any */
}

static void test_trainer_names(void **state)
{
    char name[TRAINER_MAX + 2];

    (void)state;
    memset(name, 'x', sizeof name);
    assert_true(trainer_valid(name, TRAINER_MAX));
    assert_false(trainer_valid(name, TRAINER_MAX + 1));
    assert_false(trainer_valid(name, 0));
    for (int c = 0; c < 256; c++) {
        name[1] = (char)c;
        assert_int_equal(trainer_valid(name, 3), c && strchr("abcdefghijklmnopqrstuvwxyz"
                                                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                             "0123456789_.:-",
                                                             c) != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body_comes_back),
        cmocka_unit_test(test_layout_stays_as_it_is),
        cmocka_unit_test(test_cut_or_longer_body_is_refused),
        cmocka_unit_test(test_bad_head_is_refused),
        cmocka_unit_test(test_size_that_overflows_is_refused),
        cmocka_unit_test(test_changed_body_is_refused_or_adds_up),
        cmocka_unit_test(test_trainer_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
