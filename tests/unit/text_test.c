/* SPDX-License-Identifier: Apache-2.0 */
/* Quoting, strict numbers, quantities read and written. */
#include "base/text.h"

#include <locale.h>
#include <math.h>

#include "tests/unit/unit.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define S(s) (s), sizeof(s) - 1

static void test_quote(void **state)
{
    static const struct {
        const char *in;
        size_t n;
        const char *out;
    } rows[] = {
        {S(""), "\"\""},
        {S("ads"), "\"ads\""},
        {S("a\nb\tc"), "\"a\\nb\\tc\""},
        {S("\"\\"), "\"\\\"\\\\\""},
        {S("\0\x1b\r\x7f"), "\"\\x00\\x1b\\x0d\\x7f\""},
        {S("\u00e9"), "\"\\xc3\\xa9\""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(QUOTE_N(rows[i].in, rows[i].n), rows[i].out);
}

static void test_quote_cuts_long_text(void **state)
{
    char in[QUOTE_MAX * 2];

    (void)state;
    for (int fill = 0; fill < 2; fill++) { /* the widest escape, and none */
        const char *out;

        memset(in, fill ? 'x' : 0xff, sizeof in);
        out = QUOTE_N(in, sizeof in);
        assert_true(strlen(out) >= 128 && strlen(out) < QUOTE_MAX);
        assert_string_equal(out + strlen(out) - 4, "\u2026\"");
        out = QUOTE_N(in, fill ? 128 : 32);
        assert_null(strstr(out, "\u2026"));
    }
}

static void test_utf8(void **state)
{
    static const struct {
        const char *in;
        size_t n;
        bool valid;
    } rows[] = {
        {S(""), true},
        {S("plain"), true},
        {S("a\0b"), true},
        {S("\u00e9\u20ac\U0001f600"), true},
        {S("\xc2\x80"), true},
        {S("\xf4\x8f\xbf\xbf"), true},
        {S("\xed\x9f\xbf\xee\x80\x80"), true},
        {S("\x80"), false},
        {S("\xc3"), false},
        {S("\xc3x"), false},
        {S("\xe2\x82"), false},
        {S("\xf0\x9f\x98"), false},
        {S("\xc0\xaf"), false},
        {S("\xc1\xbf"), false},
        {S("\xe0\x9f\xbf"), false},
        {S("\xf0\x8f\xbf\xbf"), false},
        {S("\xed\xa0\x80"), false},
        {S("\xed\xbf\xbf"), false},
        {S("\xf4\x90\x80\x80"), false},
        {S("\xf5\x80\x80\x80"), false},
        {S("\xff"), false},
        {S("ok\xe2\x82(ok"), false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (utf8_valid(rows[i].in, rows[i].n) != rows[i].valid)
            fail_msg("row %zu", i);
}

static void test_table_name(void **state)
{
    char longest[130];

    (void)state;
    memset(longest, 'n', sizeof longest);
    assert_true(table_name_valid(S("ads")));
    assert_true(table_name_valid(S("A-z_0.9")));
    assert_true(table_name_valid(longest, 128));
    assert_false(table_name_valid(longest, 129));
    assert_false(table_name_valid(S("")));
    assert_false(table_name_valid(S(".ads")));
    assert_false(table_name_valid(S("..")));
    assert_false(table_name_valid(S("a/b")));
    assert_false(table_name_valid(S("a b")));
    assert_false(table_name_valid(S("a\0")));
    assert_false(table_name_valid(S("\u00e9")));
}

static void test_parse_u64(void **state)
{
    static const struct {
        const char *in;
        bool ok;
        uint64_t out;
    } rows[] = {
        {"0", true, 0},
        {"7", true, 7},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"00", false, 0},
        {"010", false, 0},
        {"+1", false, 0},
        {"-1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"0x10", false, 0},
        {"1e3", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t value = 12345;

        if (parse_u64(rows[i].in, strlen(rows[i].in), &value) != rows[i].ok)
            fail_msg("\"%s\"", rows[i].in);
        assert_true(value == (rows[i].ok ? rows[i].out : 12345));
    }
}

static void test_parse_i64(void **state)
{
    static const struct {
        const char *in;
        bool ok;
        int64_t out;
    } rows[] = {
        {"0", true, 0},
        {"-1", true, -1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"-0", false, 0},
        {"-", false, 0},
        {"--1", false, 0},
        {"-01", false, 0},
        {"", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t value = 12345;

        if (parse_i64(rows[i].in, strlen(rows[i].in), &value) != rows[i].ok)
            fail_msg("\"%s\"", rows[i].in);
        assert_true(value == (rows[i].ok ? rows[i].out : 12345));
    }
}

static void test_parse_double(void **state)
{
    static const struct {
        const char *in;
        bool ok;
        double out;
    } rows[] = {
        {"0", true, 0},      {"0.01", true, 0.01}, {"-2.5e-3", true, -2.5e-3},
        {"1E+2", true, 100}, {".5", true, 0.5},    {"5.", true, 5},
        {"1e-400", true, 0}, {"1e400", false, 0},  {"", false, 0},
        {".", false, 0},     {"-", false, 0},      {"1e", false, 0},
        {"1e+", false, 0},   {" 1", false, 0},     {"1 ", false, 0},
        {"0x10", false, 0},  {"inf", false, 0},    {"nan", false, 0},
        {"1,5", false, 0},   {"1.5.5", false, 0},  {"e5", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        double value = 12345;

        if (parse_double(rows[i].in, &value) != rows[i].ok)
            fail_msg("\"%s\"", rows[i].in);
        assert_true(value == (rows[i].ok ? rows[i].out : 12345));
    }
}

static void test_parse_bytes(void **state)
{
    static const struct {
        const char *in;
        bool ok;
        uint64_t out;
    } rows[] = {
        {"0", true, 0},
        {"1048576", true, 1048576},
        {"12B", true, 12},
        {"64MiB", true, 64u << 20},
        {"64 MiB", true, 64u << 20},
        {"1.5 GiB", true, 3ull << 29},
        {"2kB", true, 2000},
        {"3 TB", true, 3000000000000},
        {"16777215 TiB", true, 16777215ull << 40},
        {"16777216 TiB", false, 0},
        {"", false, 0},
        {"MiB", false, 0},
        {"-1", false, 0},
        {"1.5", false, 0},
        {"1. MiB", false, 0},
        {"64  MiB", false, 0},
        {"64 ", false, 0},
        {"64 MiB ", false, 0},
        {"64mib", false, 0},
        {"064 MiB", false, 0},
        {"64 PiB", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t value = 12345;

        if (parse_bytes(rows[i].in, &value) != rows[i].ok)
            fail_msg("\"%s\"", rows[i].in);
        assert_true(value == (rows[i].ok ? rows[i].out : 12345));
    }
}

static void test_parse_duration(void **state)
{
    static const struct {
        const char *in;
        bool ok;
        uint64_t out;
    } rows[] = {
        {"0", true, 0},           {"0s", true, 0},
        {"250ms", true, 250000},  {"1.5 s", true, 1500000},
        {"10us", true, 10},       {"2m", true, 120000000},
        {"1h", true, 3600000000}, {"7d", true, 604800000000},
        {"5", false, 0},          {"", false, 0},
        {"-1s", false, 0},        {"1sec", false, 0},
        {"213503983d", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t value = 12345;

        if (parse_duration(rows[i].in, &value) != rows[i].ok)
            fail_msg("\"%s\"", rows[i].in);
        assert_true(value == (rows[i].ok ? rows[i].out : 12345));
    }
}

static void test_parse_bool(void **state)
{
    static const char *const yes[] = {"yes", "true", "on", "1"},
                             *const no[] = {"no", "false", "off", "0"},
                             *const neither[] = {"", "Yes", "y", "2", "on "};
    bool value;

    (void)state;
    for (size_t i = 0; i < COUNT(yes); i++)
        assert_true(parse_bool(yes[i], &value) && value);
    for (size_t i = 0; i < COUNT(no); i++)
        assert_true(parse_bool(no[i], &value) && !value);
    for (size_t i = 0; i < COUNT(neither); i++)
        assert_false(parse_bool(neither[i], &value));
}

static void test_format_bytes(void **state)
{
    static const struct {
        uint64_t in;
        const char *out;
    } rows[] = {
        {0, "0 B"},
        {1023, "1023 B"},
        {1024, "1.00 KiB"},
        {26843546, "25.6 MiB"},
        {1048575, "1.00 MiB"},
        {1023ull << 20, "1023 MiB"},
        {3ull << 29, "1.50 GiB"},
        {UINT64_MAX, "16.0 EiB"},
    };
    char out[32];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(format_bytes(out, rows[i].in), rows[i].out);
}

static void test_format_count(void **state)
{
    char out[32];

    (void)state;
    assert_string_equal(format_count(out, 0), "0");
    assert_string_equal(format_count(out, 999), "999");
    assert_string_equal(format_count(out, 1000), "1,000");
    assert_string_equal(format_count(out, 1048576), "1,048,576");
    assert_string_equal(format_count(out, UINT64_MAX), "18,446,744,073,709,551,615");
}

static void test_format_duration(void **state)
{
    static const struct {
        double us;
        const char *out;
    } rows[] = {
        {0, "0 s"},         {0.85, "850 ns"},  {0.9999, "1.00 us"}, {12.34, "12.3 us"},
        {999.6, "1.00 ms"}, {4560, "4.56 ms"}, {1.2e6, "1.20 s"},   {59.99e6, "1.00 min"},
        {7.5e9, "2.08 h"},  {864e9, "10.0 d"}, {-1, "0 s"},
    };
    char out[32];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(format_duration(out, rows[i].us), rows[i].out);
    assert_string_equal(format_duration(out, (double)NAN), "0 s");
    assert_true(strlen(format_duration(out, (double)INFINITY)) < 32);
}

static void test_format_ratio(void **state)
{
    static const struct {
        double in;
        const char *out;
    } rows[] = {
        {0, "0"},
        {1, "1.000"},
        {0.2734, "0.2734"},
        {0.27344, "0.2734"},
        {0.99999, "1.000"},
        {12.344, "12.34"},
        {1234.5, "1235"},
        {0.0012345, "0.001235"},
        {1e-12, "0.000000000"},
    };
    char out[32];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_string_equal(format_ratio(out, rows[i].in), rows[i].out);
}

static void test_numbers_do_not_follow_the_locale(void **state)
{
    double value;
    char out[32];

    (void)state;
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8"))
        skip();
    assert_true(parse_double("1.5", &value) && value == 1.5);
    assert_string_equal(format_bytes(out, 1536), "1.50 KiB");
    setlocale(LC_ALL, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_quote_cuts_long_text),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_table_name),
        cmocka_unit_test(test_parse_u64),
        cmocka_unit_test(test_parse_i64),
        cmocka_unit_test(test_parse_double),
        cmocka_unit_test(test_parse_bytes),
        cmocka_unit_test(test_parse_duration),
        cmocka_unit_test(test_parse_bool),
        cmocka_unit_test(test_format_bytes),
        cmocka_unit_test(test_format_count),
        cmocka_unit_test(test_format_duration),
        cmocka_unit_test(test_format_ratio),
        cmocka_unit_test(test_numbers_do_not_follow_the_locale),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
