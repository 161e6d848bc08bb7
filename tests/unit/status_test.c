/* SPDX-License-Identifier: Apache-2.0 */
/* Sentences and names of a status. */
#include "base/status.h"

#include <errno.h>

#include "base/text.h"
#include "tests/unit/unit.h"

static void test_set_returns_status_and_sentence(void **state)
{
    struct error e;

    (void)state;
    assert_int_equal(error_set(&e, ST_RANGE, "id %d of %s", 7, "ads"), ST_RANGE);
    assert_string_equal(e.text, "id 7 of ads");
    assert_int_equal(error_set(NULL, ST_RANGE, "id %d", 7), ST_RANGE);
}

static void test_set_takes_its_own_text_as_argument(void **state)
{
    struct error e;

    (void)state;
    (void)error_set(&e, ST_INVALID, "bad shape");
    (void)error_set(&e, ST_INVALID, "tensor map: %s!", e.text);
    assert_string_equal(e.text, "tensor map: bad shape!");
}

static void test_long_text_is_cut_between_characters(void **state)
{
    static const char *const characters[] = {"x", "\u00e9", "\u20ac", "\U0001f600"};

    (void)state;
    /* Every length of character, at every phase against the end of the room. */
    for (size_t c = 0; c < 4; c++)
        for (int shift = 0; shift < 4; shift++) {
            char text[1024] = "";
            struct error e;
            size_t n;

            memset(text, '-', (size_t)shift);
            while (strlen(text) + 5 < sizeof text)
                strcat(text, characters[c]);
            (void)error_set(&e, ST_INVALID, "%s", text);
            n = strlen(e.text);
            assert_true(n >= sizeof e.text - 4 && n < sizeof e.text);
            assert_true(utf8_valid(e.text, n));
            assert_memory_equal(e.text, text, n);
        }
}

static void test_prefix_goes_before(void **state)
{
    struct error e;
    char name[600];

    (void)state;
    (void)error_set(&e, ST_INVALID, "bad shape");
    assert_int_equal(error_prefix(&e, ST_INVALID, "table %s", "ads"), ST_INVALID);
    assert_string_equal(e.text, "table ads: bad shape");
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    (void)error_prefix(&e, ST_INVALID, "%s", name);
    assert_int_equal(strlen(e.text), sizeof e.text - 1);
    assert_int_equal(error_prefix(NULL, ST_ABORTED, "x"), ST_ABORTED);
}

static void test_errno_becomes_the_fitting_status(void **state)
{
    static const struct {
        int number;
        enum status st;
        const char *words;
    } rows[] = {
        {ENOENT, ST_NOT_FOUND, "a file: No such file or directory"},
        {EACCES, ST_PERMISSION, "a file: Permission denied"},
        {EPERM, ST_PERMISSION, "a file: Operation not permitted"},
        {ENOSPC, ST_EXHAUSTED, "a file: No space left on device"},
        {EDQUOT, ST_EXHAUSTED, "a file: "},
        {ENOMEM, ST_EXHAUSTED, "a file: Cannot allocate memory"},
        {EMFILE, ST_EXHAUSTED, "a file: Too many open files"},
        {EIO, ST_UNAVAILABLE, "a file: Input/output error"},
        {99999, ST_UNAVAILABLE, "a file: "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct error e;

        assert_fails(error_errno(&e, rows[i].number, "a %s", "file"), rows[i].st, e, rows[i].words);
    }
}

static void test_memory(void **state)
{
    struct error e;

    (void)state;
    assert_int_equal(error_memory(&e, "header"), ST_EXHAUSTED);
    assert_string_equal(e.text, "out of memory (header)");
}

static void test_names_are_those_of_grpc(void **state)
{
    (void)state;
    for (int i = 0; i < ST_COUNT; i++)
        assert_non_null(status_name((enum status)i));
    assert_string_equal(status_name(ST_OK), "OK");
    assert_string_equal(status_name(ST_INVALID), "INVALID_ARGUMENT");
    assert_string_equal(status_name((enum status)9), "FAILED_PRECONDITION");
    assert_string_equal(status_name((enum status)16), "UNAUTHENTICATED");
    assert_string_equal(status_name(ST_COUNT), "UNKNOWN");
    assert_string_equal(status_name((enum status) - 1), "UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_returns_status_and_sentence),
        cmocka_unit_test(test_set_takes_its_own_text_as_argument),
        cmocka_unit_test(test_long_text_is_cut_between_characters),
        cmocka_unit_test(test_prefix_goes_before),
        cmocka_unit_test(test_errno_becomes_the_fitting_status),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_names_are_those_of_grpc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
