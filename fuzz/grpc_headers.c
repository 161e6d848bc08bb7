/* SPDX-License-Identifier: Apache-2.0 */
/* Header values and message prefixes of gRPC against readers that are slow and plain. The input is
   taken for each of them in turn. */
#include "fuzz/check.h"

#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "proto/grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Nanoseconds of a time-out in arithmetic that cannot overflow, or -1. */
static __int128 slow_timeout(const char *s, size_t n)
{
    static const char units[] = "numSMH";
    static const __int128 sizes[] = {
        1, 1000, 1000000, 1000000000, (__int128)60 * 1000000000, (__int128)3600 * 1000000000};
    const char *unit;
    __int128 value = 0;

    if (n == 0 || s[n - 1] == '\0' || !(unit = strchr(units, s[n - 1])))
        return -1;
    if (n - 1 < 1 || n - 1 > 8)
        return -1;
    for (size_t i = 0; i + 1 < n; i++) {
        const char *digit = s[i] ? strchr("0123456789", s[i]) : NULL;

        if (!digit)
            return -1;
        value = value * 10 + (*digit - '0');
    }
    return value * sizes[unit - units];
}

static void check_timeout(const char *s, size_t n)
{
    __int128 ns = slow_timeout(s, n);
    uint64_t us = 0, back;
    char text[16];

    CHECK(grpc_timeout_parse(s, n, &us) == (ns >= 0));
    CHECK(ns < 0 || (__int128)us == (ns + 999) / 1000);
    if (n < sizeof us)
        return;
    memcpy(&us, s, sizeof us);
    us >>= (unsigned char)s[n - 1] % 64; /* small ones too */
    grpc_timeout_format(text, us);
    CHECK(grpc_timeout_parse(text, strlen(text), &back));
    /* Never early, and late by no more than a unit, of which there are at least 100000. */
    CHECK(back >= us || strcmp(text, "99999999H") == 0);
    CHECK(back <= us || back - us <= us / 99999);
}

/* The whole text decoded, without a bound. */
static size_t slow_decode(char *out, const char *s, size_t n)
{
    static const char hex[] = "0123456789abcdef0123456789ABCDEF";
    size_t length = 0;

    for (size_t i = 0; i < n; i++) {
        const char *high = NULL, *low = NULL;

        if (s[i] == '%' && i + 2 < n && s[i + 1] && s[i + 2]) {
            high = strchr(hex, s[i + 1]);
            low = strchr(hex, s[i + 2]);
        }
        if (high && low) {
            out[length++] = (char)((high - hex) % 16 * 16 + (low - hex) % 16);
            i += 2;
        } else {
            out[length++] = s[i];
        }
    }
    return length;
}

static void check_decode(const char *s, size_t n)
{
    char *whole = malloc(n + 1), *out = malloc(n + 2);
    size_t length, room, got;

    CHECK(whole && out);
    length = slow_decode(whole, s, n);
    CHECK(grpc_message_decode(out, n + 1, s, n) == length);
    CHECK(memcmp(out, whole, length) == 0 && out[length] == '\0');
    room = n ? (unsigned char)s[0] % (n + 1) + 1 : 1;
    got = grpc_message_decode(out, room, s, n);
    CHECK(got < room && out[got] == '\0' && memcmp(out, whole, got) == 0);
    CHECK(got == length || got + 4 >= room); /* cut for a character at most */
    if (utf8_valid(whole, length))
        CHECK(utf8_valid(out, got));
    free(out);
    free(whole);
}

static void check_encode(const char *s, size_t n)
{
    char *text = malloc(n + 1), *back = malloc(GRPC_MESSAGE_MAX + 1);
    char out[GRPC_MESSAGE_MAX + 1];
    size_t length, decoded;

    CHECK(text && back);
    memcpy(text, s, n);
    text[n] = '\0';
    n = strlen(text);
    length = grpc_message_encode(out, text);
    CHECK(length == strlen(out) && length <= GRPC_MESSAGE_MAX);
    for (size_t i = 0; i < length; i++) {
        CHECK(out[i] >= 0x20 && out[i] <= 0x7e);
        CHECK(out[i] != '%' || (i + 2 < length && strchr("0123456789ABCDEF", out[i + 1]) &&
                                strchr("0123456789ABCDEF", out[i + 2])));
    }
    CHECK(!length || (out[0] != ' ' && out[length - 1] != ' '));
    decoded = slow_decode(back, out, length);
    CHECK(decoded <= n && memcmp(back, text, decoded) == 0);
    /* Cut only when full: 12 for a character, and spaces that stood before the cut. */
    if (decoded < n) {
        size_t spaces = 0;

        while (decoded + spaces < n && text[decoded + spaces] == ' ')
            spaces++;
        CHECK(length + spaces + 12 > GRPC_MESSAGE_MAX);
        CHECK(!utf8_valid(text, n) || utf8_valid(back, decoded));
    }
    free(back);
    free(text);
}

static void check_words(const char *s, size_t n)
{
    char text[64] = {0};
    bool grpc, proto;
    long status;

    if (n >= sizeof text || memchr(s, 0, n))
        return;
    memcpy(text, s, n);
    proto = strncmp(text, "application/grpc+proto", 22) == 0 && (!text[22] || text[22] == ';');
    grpc = strncmp(text, "application/grpc", 16) == 0 && (!text[16] || text[16] == ';');
    CHECK(grpc_content_type_valid(s, n) == (grpc || proto));
    for (status = 16; status >= 0; status--) {
        char number[24];

        snprintf(number, sizeof number, "%ld", status);
        if (strcmp(number, text) == 0)
            break;
    }
    CHECK((long)grpc_status_parse(s, n) == (status < 0 ? ST_UNKNOWN : status));
}

static void check_prefix(const unsigned char *data, size_t n)
{
    unsigned char again[GRPC_PREFIX];
    uint32_t length = 0;
    uint64_t limit, want;
    enum status st;

    if (n < GRPC_PREFIX + 1)
        return;
    want = ((data[1] * UINT64_C(256) + data[2]) * 256 + data[3]) * 256 + data[4];
    limit = UINT64_MAX >> data[5] % 64;
    st = grpc_prefix_read(data, limit, &length, NULL);
    CHECK(st == (data[0] ? ST_INTERNAL : want > limit ? ST_EXHAUSTED : ST_OK));
    if (st == ST_OK) {
        CHECK(length == want);
        grpc_prefix_write(again, length);
        CHECK(memcmp(again, data, GRPC_PREFIX) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const char nothing[1];
    const char *text = n ? (const char *)data : nothing;

    check_timeout(text, n);
    check_decode(text, n);
    check_encode(text, n);
    check_words(text, n);
    check_prefix(data, n);
    return 0;
}
