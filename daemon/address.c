/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses that people write. No state; any thread. */
#include "daemon/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>
#include <sys/un.h>

#include "base/text.h"

static_assert(sizeof((struct address *)0)->path == sizeof((struct sockaddr_un *)0)->sun_path,
              "a path that parses fits into a socket address");

static enum status parse_unix(struct address *a, const char *text, struct error *e)
{
    const char *path = text + strlen("unix:");

    if (!strncmp(path, "//", 2)) /* unix:///path, as gRPC's clients write it */
        path += 2;
    if (!*path)
        return error_set(e, ST_INVALID, "%s names no socket", QUOTE(text));
    if (strlen(path) >= sizeof a->path)
        return error_set(e, ST_INVALID,
                         "%s is longer than the %zu bytes that a socket's path may have",
                         QUOTE(text), sizeof a->path - 1);
    strcpy(a->path, path);
    return ST_OK;
}

/* A name as in RFC 1123, or an IPv4 address. */
static bool host_valid(const char *host)
{
    return host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")] ==
           '\0';
}

enum status address_parse(struct address *a, const char *text, struct error *e)
{
    const char *host = text, *end, *port;
    struct address parsed = {.host = ""};
    struct in6_addr v6;
    enum status st;
    uint64_t number;
    size_t n;

    if (!strncmp(text, "unix:", 5)) {
        st = parse_unix(&parsed, text, e);
        if (st == ST_OK)
            *a = parsed;
        return st;
    }
    if (*text == '[') {
        host = text + 1;
        end = strchr(host, ']');
        port = end ? end + 1 : NULL;
    } else {
        end = port = strrchr(text, ':');
    }
    if (!end || *port != ':')
        return error_set(e, ST_INVALID, "%s is no address: write host:port or unix:path",
                         QUOTE(text));
    n = (size_t)(end - host);
    if (n == 0)
        return error_set(e, ST_INVALID, "%s has no host", QUOTE(text));
    if (n > ADDRESS_HOST_MAX)
        return error_set(e, ST_INVALID, "%s has too long a host", QUOTE(text));
    memcpy(parsed.host, host, n);
    if (*text == '[' ? inet_pton(AF_INET6, parsed.host, &v6) != 1 : !host_valid(parsed.host))
        return error_set(e, ST_INVALID, "%s has a malformed host", QUOTE(text));
    port++;
    if (!parse_u64(port, strlen(port), &number) || number > UINT16_MAX)
        return error_set(e, ST_INVALID, "%s has no port from 0 to 65535", QUOTE(text));
    parsed.port = (uint16_t)number;
    *a = parsed;
    return ST_OK;
}

bool address_local(const struct address *a)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (*a->path || !strcmp(a->host, "localhost"))
        return true;
    if (inet_pton(AF_INET, a->host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, a->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}
