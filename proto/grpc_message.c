/* SPDX-License-Identifier: Apache-2.0 */
/* grpc-message: sentences as header values. UTF-8 is percent-encoded byte by byte, and never cut
   within a character. No state; any thread. */
#include "proto/grpc.h"

#include <string.h>

#include "base/text.h"

/* Bytes of the character at `s`, which ends with a NUL; a byte that begins no character stands for
   itself. */
static size_t character_size(const char *s)
{
    for (size_t n = 1; n <= 4 && s[n - 1]; n++)
        if (utf8_valid(s, n))
            return n;
    return 1;
}

static bool is_plain(char c)
{
    return c >= 0x20 && c <= 0x7e && c != '%';
}

static char *put_escape(char *p, char c)
{
    static const char hex[] = "0123456789ABCDEF";

    *p++ = '%';
    *p++ = hex[(unsigned char)c >> 4];
    *p++ = hex[(unsigned char)c & 15];
    return p;
}

size_t grpc_message_encode(char out[GRPC_MESSAGE_MAX + 1], const char *text)
{
    char *p = out;

    while (*text) {
        size_t n = character_size(text), room = (size_t)(out + GRPC_MESSAGE_MAX - p);
        bool plain = is_plain(*text) && !(*text == ' ' && (p == out || !text[1]));

        if (room < (plain ? 1 : 3 * n))
            break;
        if (plain)
            *p++ = *text;
        for (size_t i = 0; i < n && !plain; i++)
            p = put_escape(p, text[i]);
        text += n;
    }
    while (p > out && p[-1] == ' ') /* the text was cut behind a space */
        p--;
    *p = '\0';
    return (size_t)(p - out);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* The byte at text[*i], decoded; *i moves behind it. */
static char decode_byte(const char *text, size_t n, size_t *i)
{
    char c = text[*i];

    if (c == '%' && n - *i > 2) {
        int high = hex_value(text[*i + 1]), low = hex_value(text[*i + 2]);

        if (high >= 0 && low >= 0) {
            *i += 3;
            return (char)(high << 4 | low);
        }
    }
    ++*i;
    return c;
}

/* How much of [s, s + n) to keep so that it does not end within a character. */
static size_t whole_characters(const char *s, size_t n)
{
    size_t start = n, bytes;
    unsigned char first;

    while (start > 0 && n - start < 3 && ((unsigned char)s[start - 1] & 0xc0) == 0x80)
        start--;
    if (!start)
        return n;
    first = (unsigned char)s[start - 1];
    bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    return n - (start - 1) < bytes ? start - 1 : n;
}

size_t grpc_message_decode(char *out, size_t room, const char *text, size_t n)
{
    size_t length = 0, i = 0;

    if (!room)
        return 0;
    while (i < n && length < room - 1)
        out[length++] = decode_byte(text, n, &i);
    if (i < n)
        length = whole_characters(out, length);
    out[length] = '\0';
    return length;
}
