/* SPDX-License-Identifier: Apache-2.0 */
/* The body of counts in the log: what is written is read again, and nothing else is. */
#include "storage/count_body.h"
#include "tests/unit/random.h"
#include "tests/unit/unit.h"

static const struct counted some[] = {{0, 1},       {1, 127},        {2, 128},
                                      {130, 16384}, {UINT32_MAX, 3}, {UINT64_MAX - 1, UINT64_MAX}};
#define SOME (sizeof some / sizeof some[0])
#define ROOM 512

static size_t write_some(unsigned char out[ROOM], size_t first, size_t count)
{
    struct count_row row = {.name = "ads.v2",
                            .generation = 300,
                            .version = UINT64_MAX,
                            .counted = some + first,
                            .count = count};

    assert_true(count_body_most(&row) <= ROOM);
    return count_body_write(out, &row);
}

static void test_body_comes_back(void **state)
{
    unsigned char data[ROOM];
    struct count_body body;
    struct counted c;

    (void)state;
    for (size_t first = 0; first < SOME; first++)
        for (size_t count = 0; count <= SOME - first; count++) {
            size_t n = write_some(data, first, count);

            assert_true(count_body_read(&body, data, n));
            assert_string_equal(body.row.name, "ads.v2");
            assert_int_equal(body.row.generation, 300);
            assert_true(body.row.version == UINT64_MAX);
            assert_int_equal(body.row.count, count);
            for (size_t i = 0; i < count; i++) {
                assert_true(count_body_next(&body, &c));
                assert_true(c.row == some[first + i].row && c.times == some[first + i].times);
            }
            assert_false(count_body_next(&body, &c));
        }
}

/* Byte for byte: it is what log.db holds. */
static void test_layout_stays_as_it_is(void **state)
{
    static const unsigned char expected[] = "ads.v2\0\x01\xac\x02"
                                            "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                                            "\x03\x01\x7f\x00\x80\x01\x7f\x80\x80\x01";
    unsigned char data[ROOM];

    (void)state;
    assert_int_equal(write_some(data, 1, 3), sizeof expected - 1);
    assert_memory_equal(data, expected, sizeof expected - 1);
}

static void test_cut_or_longer_body_is_refused(void **state)
{
    unsigned char data[ROOM];
    struct count_body body;
    size_t n;

    (void)state;
    n = write_some(data, 0, SOME);
    for (size_t i = 0; i < n; i++)
        assert_false(count_body_read(&body, data, i));
    data[n] = 0;
    assert_false(count_body_read(&body, data, n + 1));
    assert_true(count_body_read(&body, data, n));
}

#define BODY(text) text, sizeof text - 1

static void test_others_are_refused(void **state)
{
    static const struct {
        const char *data;
        size_t n;
    } bad[] = {
        {BODY("")},
        {BODY("\0\x01\x01\x01\x00")},          /* no name */
        {BODY("a b\0\x01\x01\x01\x00")},       /* no table's name */
        {BODY("a\0\x02\x01\x01\x00")},         /* another form */
        {BODY("a\0\x01\x81\x00\x01\x00")},     /* a number longer than it needs to be */
        {BODY("a\0\x01\x01\x01\x01\x05\x00")}, /* named no times */
        {BODY("a\0\x01\x01\x01\x02\x05\x01")}, /* more rows than there are */
        {BODY("a\0\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x01\x00")}, /* 65 bits */
        {BODY("a\0\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\x00")},
        {BODY("a\0\x01\x01\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01")}, /* the row 2^64 -
                                                                                      1 */
        {BODY(
            "a\0\x01\x01\x01\x02\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\x00\x01")}, /* and by a
                                                                                            step */
        {BODY("a\0\x01\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01\x01")},
    };
    struct count_body body;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (count_body_read(&body, bad[i].data, bad[i].n))
            fail_msg("body %zu was read", i);
    assert_true(count_body_read(&body, "a\0\x01\x01\x01\x01\x05\x01", 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_body_comes_back),
        cmocka_unit_test(test_layout_stays_as_it_is),
        cmocka_unit_test(test_cut_or_longer_body_is_refused),
        cmocka_unit_test(test_others_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
