/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC's rules above HTTP/2. */
#include "proto/grpc.h"

#include "tests/unit/unit.h"

static void test_timeouts_are_read(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t us;
    } cases[] = {
        {"", false, 0},
        {"1", false, 0},
        {"S", false, 0},
        {"1x", false, 0},
        {"-1S", false, 0},
        {"+1S", false, 0},
        {"1.5S", false, 0},
        {"123456789S", false, 0},
        {"000000001S", false, 0},
        {" 1S", false, 0},
        {"1 S", false, 0},
        {"1S ", false, 0},
        {"1s", false, 0},
        {"1SS", false, 0},
        {"0x1S", false, 0},
        {"SS", false, 0},
        {"99999999H", true, UINT64_C(99999999) * 3600 * 1000000},
        {"0n", true, 0},
        {"1n", true, 1},
        {"1000n", true, 1},
        {"1001n", true, 2},
        {"99999999n", true, 100000},
        {"0S", true, 0},
        {"2S", true, 2000000},
        {"00000002S", true, 2000000},
        {"1H", true, UINT64_C(3600000000)},
        {"1M", true, 60000000},
        {"250m", true, 250000},
        {"7u", true, 7},
        {"99999999u", true, 99999999},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t us = 123;
        bool good = grpc_timeout_parse(cases[i].text, strlen(cases[i].text), &us);

        if (good != cases[i].good || us != (good ? cases[i].us : 123))
            fail_msg("\"%s\": %d, %llu us", cases[i].text, good, (unsigned long long)us);
    }
}

static void test_timeouts_are_written(void **state)
{
    static const struct {
        uint64_t us;
        const char *text;
    } cases[] = {
        {0, "0u"},
        {1, "1u"},
        {99999999, "99999999u"},
        {100000000, "100000m"},
        {100000001, "100001m"},
        {UINT64_C(99999999000), "99999999m"},
        {UINT64_C(99999999001), "100000S"},
        {UINT64_C(99999999000000), "99999999S"},
        {UINT64_C(99999999000001), "1666667M"},
        {UINT64_C(5999999940000001), "1666667H"},
        {UINT64_C(99999999) * 3600 * 1000000, "99999999H"},
        {UINT64_MAX, "99999999H"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[16];
        uint64_t back = 0;

        assert_string_equal(grpc_timeout_format(out, cases[i].us), cases[i].text);
        assert_true(grpc_timeout_parse(out, strlen(out), &back));
        assert_true(back >= cases[i].us || cases[i].us == UINT64_MAX); /* never too early */
    }
}

static void test_prefixes(void **state)
{
    static const struct {
        const char *name;
        unsigned char prefix[GRPC_PREFIX];
        uint64_t limit;
        enum status status;
        uint32_t length;
        const char *words;
    } cases[] = {
        {"empty", {0, 0, 0, 0, 0}, 100, ST_OK, 0, ""},
        {"one byte", {0, 0, 0, 0, 1}, 100, ST_OK, 1, ""},
        {"the limit", {0, 0, 0, 0, 100}, 100, ST_OK, 100, ""},
        {"one more", {0, 0, 0, 0, 101}, 100, ST_EXHAUSTED, 0, "101 bytes is over the limit of 100"},
        {"each byte", {0, 1, 2, 3, 4}, UINT64_MAX, ST_OK, 0x01020304, ""},
        {"2^31", {0, 0x80, 0, 0, 0}, 67108864, ST_EXHAUSTED, 0, "2147483648 bytes"},
        {"2^32 - 1", {0, 255, 255, 255, 255}, 67108864, ST_EXHAUSTED, 0, "limit of 67108864"},
        {"2^32 - 1 allowed", {0, 255, 255, 255, 255}, UINT32_MAX, ST_OK, UINT32_MAX, ""},
        {"compressed", {1, 0, 0, 0, 1}, 100, ST_INTERNAL, 0, "compressed"},
        {"compressed and long", {1, 255, 0, 0, 1}, 100, ST_INTERNAL, 0, "compressed"},
        {"flag 2", {2, 0, 0, 0, 1}, 100, ST_INTERNAL, 0, "flag 2"},
        {"flag 255", {255, 0, 0, 0, 1}, 100, ST_INTERNAL, 0, "flag 255"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error e = {""};
        uint32_t length = 77;
        unsigned char again[GRPC_PREFIX];
        enum status st = grpc_prefix_read(cases[i].prefix, cases[i].limit, &length, &e);

        if (st != cases[i].status || !strstr(e.text, cases[i].words))
            fail_msg("%s: %s (%s)", cases[i].name, status_name(st), e.text);
        assert_int_equal(length, st == ST_OK ? cases[i].length : 77);
        if (st == ST_OK) {
            grpc_prefix_write(again, length);
            assert_memory_equal(again, cases[i].prefix, GRPC_PREFIX);
        }
    }
}

static void test_messages_are_encoded_and_decoded(void **state)
{
    static const struct {
        const char *text, *encoded;
    } cases[] = {
        {"", ""},
        {"plain text, with ~ and \"quotes\"", "plain text, with ~ and \"quotes\""},
        {"no table \"\xc3\xbc%\n\"", "no table \"%C3%BC%25%0A\""},
        {"100%", "100%25"},
        {"\x01\x1f\x7f", "%01%1F%7F"},
        {" both ends ", "%20both ends%20"},
        {" ", "%20"},
        {"\xf0\x9f\x98\x80", "%F0%9F%98%80"},
        {"not UTF-8: \xff\xc3", "not UTF-8: %FF%C3"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[GRPC_MESSAGE_MAX + 1], back[GRPC_MESSAGE_MAX + 1];
        size_t n = grpc_message_encode(out, cases[i].text);

        assert_string_equal(out, cases[i].encoded);
        assert_int_equal(n, strlen(out));
        assert_int_equal(grpc_message_decode(back, sizeof back, out, n), strlen(cases[i].text));
        assert_string_equal(back, cases[i].text);
    }
}

static void test_malformed_escapes_stay(void **state)
{
    static const struct {
        const char *encoded, *text;
    } cases[] = {
        {"%", "%"},     {"%4", "%4"},   {"%4g", "%4g"},     {"%g4", "%g4"},
        {"%%41", "%A"}, {"a%2", "a%2"}, {"%zz%41", "%zzA"}, {"%c3%bc", "\xc3\xbc"},
        {"%-1", "%-1"}, {"% 1", "% 1"}, {"%41%4", "A%4"},   {"%25%34%31", "%41"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[64];
        size_t n = grpc_message_decode(out, sizeof out, cases[i].encoded, strlen(cases[i].encoded));

        assert_string_equal(out, cases[i].text);
        assert_int_equal(n, strlen(cases[i].text));
    }
}

static void test_long_messages_are_cut_at_a_character(void **state)
{
    char text[3000], out[GRPC_MESSAGE_MAX + 1], back[GRPC_MESSAGE_MAX + 1];

    (void)state;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(grpc_message_encode(out, text), GRPC_MESSAGE_MAX);
    text[GRPC_MESSAGE_MAX - 1] = ' '; /* the last that fits */
    assert_int_equal(grpc_message_encode(out, text), GRPC_MESSAGE_MAX - 1);
    for (size_t before = GRPC_MESSAGE_MAX - 13; before <= GRPC_MESSAGE_MAX; before++) {
        size_t n;

        memset(text, 'x', sizeof text);
        memcpy(text + before, "\xe2\x82\xac\xf0\x9f\x98\x80", 8); /* nine bytes, then twelve */
        n = grpc_message_encode(out, text);
        assert_int_equal(n, before + 9 <= GRPC_MESSAGE_MAX ? before + 9 : before);
        assert_int_equal(grpc_message_decode(back, sizeof back, out, n),
                         before + (n > before ? 3 : 0));
        assert_memory_equal(back, text, strlen(back));
    }
}

static void test_decoding_stops_at_the_room(void **state)
{
    static const struct {
        size_t room;
        const char *text;
    } cases[] = {
        {1, ""},
        {2, "a"},
        {3, "a"},
        {4, "a"},
        {5, "a\xe2\x82\xac"},
        {6, "a\xe2\x82\xac"
            "b"},
        {7, "a\xe2\x82\xac"
            "b"},
    };
    char out[8];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memset(out, 'z', sizeof out);
        assert_int_equal(grpc_message_decode(out, cases[i].room, "a%E2%82%ACb", 11),
                         strlen(cases[i].text));
        assert_string_equal(out, cases[i].text);
        for (size_t j = cases[i].room; j < sizeof out; j++)
            assert_int_equal(out[j], 'z');
    }
    assert_int_equal(grpc_message_decode(out, 0, "abc", 3), 0);
    /* Bytes that were no characters before are not taken for one that was cut. */
    assert_int_equal(grpc_message_decode(out, 6, "\xd4\x93\x93\x93\x93\x93", 6), 5);
    assert_int_equal(grpc_message_decode(out, 4, "\x80\x80\x80\x80", 4), 3);
}

static void test_content_types(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"application/grpc", true},
        {"application/grpc+proto", true},
        {"application/grpc;charset=utf-8", true},
        {"application/grpc+proto;a=b", true},
        {"", false},
        {"application/grp", false},
        {"application/grpcx", false},
        {"application/grpc+json", false},
        {"application/grpc+protox", false},
        {"application/grpc-web", false},
        {"application/grpc ", false},
        {"text/plain", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (grpc_content_type_valid(cases[i].text, strlen(cases[i].text)) != cases[i].valid)
            fail_msg("\"%s\"", cases[i].text);
}

static void test_statuses(void **state)
{
    static const struct {
        const char *text;
        enum status status;
    } cases[] = {
        {"0", ST_OK},        {"5", ST_NOT_FOUND}, {"16", ST_UNAUTHENTICATED},
        {"17", ST_UNKNOWN},  {"", ST_UNKNOWN},    {"00", ST_UNKNOWN},
        {"05", ST_UNKNOWN},  {"-1", ST_UNKNOWN},  {"99", ST_UNKNOWN},
        {"abc", ST_UNKNOWN}, {"5 ", ST_UNKNOWN},  {"18446744073709551617", ST_UNKNOWN},
    };
    static const struct {
        int http;
        enum status status;
    } https[] = {
        {200, ST_UNKNOWN},     {400, ST_INTERNAL},      {401, ST_UNAUTHENTICATED},
        {403, ST_PERMISSION},  {404, ST_UNIMPLEMENTED}, {415, ST_UNKNOWN},
        {429, ST_UNAVAILABLE}, {431, ST_INTERNAL},      {500, ST_UNKNOWN},
        {502, ST_UNAVAILABLE}, {503, ST_UNAVAILABLE},   {504, ST_UNAVAILABLE},
        {0, ST_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(grpc_status_parse(cases[i].text, strlen(cases[i].text)), cases[i].status);
    for (size_t i = 0; i < sizeof https / sizeof https[0]; i++)
        assert_int_equal(grpc_status_from_http(https[i].http), https[i].status);
    for (uint32_t code = 0; code < 20; code++)
        assert_int_equal(grpc_status_from_reset(code), code == 7    ? ST_UNAVAILABLE
                                                       : code == 8  ? ST_CANCELLED
                                                       : code == 11 ? ST_EXHAUSTED
                                                       : code == 12 ? ST_PERMISSION
                                                                    : ST_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timeouts_are_read),
        cmocka_unit_test(test_timeouts_are_written),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_messages_are_encoded_and_decoded),
        cmocka_unit_test(test_malformed_escapes_stay),
        cmocka_unit_test(test_long_messages_are_cut_at_a_character),
        cmocka_unit_test(test_decoding_stops_at_the_room),
        cmocka_unit_test(test_content_types),
        cmocka_unit_test(test_statuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
