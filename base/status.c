/* SPDX-License-Identifier: Apache-2.0 */
/* The sentences that go with a status. No state; any thread. */
#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[ST_COUNT] = {
    [ST_OK] = "OK",
    [ST_CANCELLED] = "CANCELLED",
    [ST_UNKNOWN] = "UNKNOWN",
    [ST_INVALID] = "INVALID_ARGUMENT",
    [ST_DEADLINE] = "DEADLINE_EXCEEDED",
    [ST_NOT_FOUND] = "NOT_FOUND",
    [ST_EXISTS] = "ALREADY_EXISTS",
    [ST_PERMISSION] = "PERMISSION_DENIED",
    [ST_EXHAUSTED] = "RESOURCE_EXHAUSTED",
    [ST_PRECONDITION] = "FAILED_PRECONDITION",
    [ST_ABORTED] = "ABORTED",
    [ST_RANGE] = "OUT_OF_RANGE",
    [ST_UNIMPLEMENTED] = "UNIMPLEMENTED",
    [ST_INTERNAL] = "INTERNAL",
    [ST_UNAVAILABLE] = "UNAVAILABLE",
    [ST_DATA_LOSS] = "DATA_LOSS",
    [ST_UNAUTHENTICATED] = "UNAUTHENTICATED",
};

/* Length of text that a full buffer cut, without the bytes of a character that lost its end. */
static size_t whole_characters(const char *s, size_t n)
{
    size_t start = n, need;

    while (start > 0 && n - start < 4 && ((unsigned char)s[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return n;
    start--;
    need = (unsigned char)s[start] < 0x80   ? 1
           : (unsigned char)s[start] < 0xe0 ? 2
           : (unsigned char)s[start] < 0xf0 ? 3
                                            : 4;
    return start + need <= n ? n : start;
}

/* vsnprintf() into `size` bytes that ends with a whole character; returns the length. */
static size_t PRINTF_LIKE(3, 0)
    format_whole(char *out, size_t size, const char *format, va_list args)
{
    int n = vsnprintf(out, size, format, args);

    if (n < 0) {
        out[0] = '\0';
        return 0;
    }
    if ((size_t)n < size)
        return (size_t)n;
    size = whole_characters(out, size - 1);
    out[size] = '\0';
    return size;
}

enum status error_set(struct error *e, enum status st, const char *format, ...)
{
    char text[sizeof e->text]; /* apart, since the arguments may point into e->text */
    va_list args;

    if (!e)
        return st;
    va_start(args, format);
    size_t n = format_whole(text, sizeof text, format, args);
    va_end(args);
    memcpy(e->text, text, n + 1);
    return st;
}

enum status error_prefix(struct error *e, enum status st, const char *format, ...)
{
    char prefix[sizeof e->text];
    va_list args;

    if (!e)
        return st;
    va_start(args, format);
    format_whole(prefix, sizeof prefix, format, args);
    va_end(args);
    return error_set(e, st, "%s: %s", prefix, e->text);
}

enum status error_memory(struct error *e, const char *what)
{
    return error_set(e, ST_EXHAUSTED, "out of memory (%s)", what);
}

static enum status status_of_errno(int error_number)
{
    switch (error_number) {
    case ENOENT:
        return ST_NOT_FOUND;
    case EACCES:
    case EPERM:
        return ST_PERMISSION;
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case EMFILE:
        return ST_EXHAUSTED;
    default:
        return ST_UNAVAILABLE;
    }
}

enum status error_errno(struct error *e, int error_number, const char *format, ...)
{
    enum status st = status_of_errno(error_number);
    char what[sizeof e->text], buffer[128];
    va_list args;

    if (!e)
        return st;
    va_start(args, format);
    format_whole(what, sizeof what, format, args);
    va_end(args);
    return error_set(e, st, "%s: %s", what, strerror_r(error_number, buffer, sizeof buffer));
}

const char *status_name(enum status st)
{
    return (unsigned)st < ST_COUNT ? names[st] : "UNKNOWN";
}
