/* SPDX-License-Identifier: Apache-2.0 */
/* `embd.header`: a checksum of the header within the header. It is computed with its own digits as
   zeros. No state; any thread. */
#include <string.h>

#include "base/hash.h"
#include "table/header_tensor.h"

#define DIGITS (sizeof HEADER_UNSEALED - 1)

static const unsigned char *skip_spaces(const unsigned char *at, const unsigned char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
        at++;
    return at;
}

/* Where the digits are in the text of the header, or NULL. A quote within a JSON string has a
   backslash before it, so the key in quotes is met where it is a whole string; it is the key if a
   colon and a string follow. */
static const unsigned char *find_digits(const unsigned char *header, size_t n)
{
    static const char key[] = "\"embd.header\"";
    const unsigned char *end = header + n, *at = header + 8, *found;

    for (; (found = memmem(at, (size_t)(end - at), key, sizeof key - 1)); at = found + 1) {
        const unsigned char *value = skip_spaces(found + sizeof key - 1, end);

        if (found[-1] == '\\' || value == end || *value != ':')
            continue;
        value = skip_spaces(value + 1, end);
        if ((size_t)(end - value) > DIGITS + 1 && *value == '"' && value[1 + DIGITS] == '"')
            return value + 1;
    }
    return NULL;
}

static void write_digits(unsigned char *to, uint64_t hash)
{
    for (size_t i = DIGITS; i-- > 0; hash >>= 4)
        to[i] = (unsigned char)"0123456789abcdef"[hash & 15];
}

bool header_seal(unsigned char *header, size_t n)
{
    const unsigned char *found = find_digits(header, n);
    unsigned char *digits = found ? header + (found - header) : NULL;

    if (!digits)
        return false;
    memcpy(digits, HEADER_UNSEALED, DIGITS);
    write_digits(digits, hash_bytes(header, n));
    return true;
}

enum status header_seal_check(bool *sealed, const unsigned char *header, size_t n, struct error *e)
{
    const unsigned char *digits = find_digits(header, n);
    unsigned char expected[DIGITS];
    struct hasher *h;

    *sealed = false;
    if (!digits)
        return ST_OK;
    h = hasher_new();
    if (!h)
        return error_memory(e, "header");
    hasher_add(h, header, (size_t)(digits - header));
    hasher_add(h, HEADER_UNSEALED, DIGITS);
    hasher_add(h, digits + DIGITS, (size_t)(header + n - digits) - DIGITS);
    write_digits(expected, hasher_value(h));
    hasher_free(h);
    *sealed = !memcmp(digits, expected, DIGITS);
    return ST_OK;
}
