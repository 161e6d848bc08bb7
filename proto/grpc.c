/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC's rules above HTTP/2, except its percent-encoding (grpc_message.c). No state; any thread. */
#include "proto/grpc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define TIMEOUT_DIGITS 8
#define TIMEOUT_MOST 99999999u /* eight digits */

void grpc_prefix_write(unsigned char prefix[GRPC_PREFIX], uint32_t length)
{
    prefix[0] = 0;
    prefix[1] = (unsigned char)(length >> 24);
    prefix[2] = (unsigned char)(length >> 16);
    prefix[3] = (unsigned char)(length >> 8);
    prefix[4] = (unsigned char)length;
}

uint32_t grpc_prefix_length(const unsigned char prefix[GRPC_PREFIX])
{
    return (uint32_t)prefix[1] << 24 | (uint32_t)prefix[2] << 16 | (uint32_t)prefix[3] << 8 |
           prefix[4];
}

enum status grpc_prefix_read(const unsigned char prefix[GRPC_PREFIX], uint64_t limit,
                             uint32_t *length, struct error *e)
{
    uint32_t n = grpc_prefix_length(prefix);

    if (prefix[0] > 1)
        return error_set(e, ST_INTERNAL, "a message begins with the flag %u, which is not gRPC",
                         prefix[0]);
    if (prefix[0] == 1)
        return error_set(e, ST_INTERNAL,
                         "a message is compressed, and only the identity encoding is accepted");
    if (n > limit)
        return error_set(e, ST_EXHAUSTED,
                         "a message of %" PRIu32 " bytes is over the limit of %" PRIu64 " bytes", n,
                         limit);
    *length = n;
    return ST_OK;
}

static const struct {
    char unit;
    uint64_t us; /* 0: nanoseconds */
} timeout_units[] = {
    {'u', 1}, {'m', 1000}, {'S', 1000000}, {'M', 60000000}, {'H', 3600000000}, {'n', 0},
};
#define UNITS (sizeof timeout_units / sizeof timeout_units[0])

bool grpc_timeout_parse(const char *s, size_t n, uint64_t *us)
{
    uint64_t number = 0;
    size_t unit = 0;

    if (n < 2 || n > TIMEOUT_DIGITS + 1)
        return false;
    for (size_t i = 0; i < n - 1; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        number = number * 10 + (unsigned)(s[i] - '0');
    }
    while (unit < UNITS && timeout_units[unit].unit != s[n - 1])
        unit++;
    if (unit == UNITS)
        return false;
    /* The largest, 99999999 hours, is 3.6e17 us. */
    *us = timeout_units[unit].us ? number * timeout_units[unit].us : (number + 999) / 1000;
    return true;
}

const char *grpc_timeout_format(char out[16], uint64_t us)
{
    uint64_t number = us;
    size_t unit = 0;

    while (number > TIMEOUT_MOST && timeout_units[unit].unit != 'H') {
        uint64_t size = timeout_units[++unit].us;

        number = us / size + (us % size != 0);
    }
    if (number > TIMEOUT_MOST)
        number = TIMEOUT_MOST;
    snprintf(out, 16, "%" PRIu32 "%c", (uint32_t)number, timeout_units[unit].unit);
    return out;
}

bool grpc_content_type_valid(const char *s, size_t n)
{
    static const char *const types[] = {"application/grpc+proto", "application/grpc"};

    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t length = strlen(types[i]);

        if (n >= length && memcmp(s, types[i], length) == 0)
            return n == length || s[length] == ';';
    }
    return false;
}

enum status grpc_status_parse(const char *s, size_t n)
{
    uint64_t number;

    return parse_u64(s, n, &number) && number < ST_COUNT ? (enum status)number : ST_UNKNOWN;
}

enum status grpc_status_from_http(int http_status)
{
    switch (http_status) {
    case 400:
    case 431:
        return ST_INTERNAL;
    case 401:
        return ST_UNAUTHENTICATED;
    case 403:
        return ST_PERMISSION;
    case 404:
        return ST_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return ST_UNAVAILABLE;
    default:
        return ST_UNKNOWN;
    }
}

enum status grpc_status_from_reset(uint32_t error_code)
{
    switch (error_code) {
    case 7: /* REFUSED_STREAM: nothing was done, the call may be sent again */
        return ST_UNAVAILABLE;
    case 8: /* CANCEL */
        return ST_CANCELLED;
    case 11: /* ENHANCE_YOUR_CALM */
        return ST_EXHAUSTED;
    case 12: /* INADEQUATE_SECURITY */
        return ST_PERMISSION;
    default: /* a fault of either side, or a code that nobody has defined */
        return ST_INTERNAL;
    }
}
