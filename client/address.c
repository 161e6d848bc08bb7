/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of daemons, as text and as sockets take them. No state; any thread. */
#include "client/address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "base/memory.h"
#include "base/text.h"

static const char unix_prefix[] = "unix:";

static enum status parse_unix(struct address *a, const char *path, struct error *e)
{
    size_t n = strlen(path), most = sizeof((struct sockaddr_un *)0)->sun_path - 1;

    if (!n)
        return error_set(e, ST_INVALID, "address %s has no path", QUOTE(a->text));
    if (n > most)
        return error_set(e, ST_INVALID, "address %s: a socket's path has at most %zu bytes",
                         QUOTE(a->text), most);
    return (a->host = mem_text(path, n)) ? ST_OK : error_memory(e, "address");
}

static enum status parse_host(struct address *a, struct error *e)
{
    const char *text = a->text, *end, *colon = strrchr(text, ':');
    uint64_t port;

    if (!colon || colon == text)
        return error_set(e, ST_INVALID, "address %s is not host:port, [v6]:port or unix:/path",
                         QUOTE(text));
    end = colon;
    if (text[0] == '[' && end[-1] == ']') {
        text++;
        end--;
    } else if (memchr(text, ':', (size_t)(end - text))) {
        return error_set(e, ST_INVALID, "address %s: a host with colons goes in brackets",
                         QUOTE(text));
    }
    if (text == end)
        return error_set(e, ST_INVALID, "address %s has no host", QUOTE(a->text));
    if (!parse_u64(colon + 1, strlen(colon + 1), &port) || port == 0 || port > 65535)
        return error_set(e, ST_INVALID, "address %s: a port is 1 to 65535", QUOTE(a->text));
    a->host = mem_text(text, (size_t)(end - text));
    a->port = mem_text(colon + 1, strlen(colon + 1));
    return a->host && a->port ? ST_OK : error_memory(e, "address");
}

enum status address_parse(struct address *a, const char *text, struct error *e)
{
    struct address made = {.text = mem_text(text, strlen(text))};
    enum status st;

    if (!made.text)
        return error_memory(e, "address");
    if (!strncmp(text, unix_prefix, sizeof unix_prefix - 1))
        st = parse_unix(&made, text + sizeof unix_prefix - 1, e);
    else
        st = parse_host(&made, e);
    if (st == ST_OK)
        *a = made;
    else
        address_done(&made);
    return st;
}

void address_done(struct address *a)
{
    mem_free(a->text);
    mem_free(a->host);
    mem_free(a->port);
    *a = (struct address){0};
}

const char *address_authority(const struct address *a)
{
    return a->port ? a->text : "localhost";
}

enum status address_resolve(const struct address *a, struct endpoint *endpoint, size_t *count,
                            struct error *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list;
    size_t n = 0;
    int failed;

    if (!a->port) {
        struct sockaddr_un local = {.sun_family = AF_UNIX};

        memcpy(local.sun_path, a->host, strlen(a->host)); /* address_parse() saw to the length */
        memcpy(&endpoint->address, &local, sizeof local);
        endpoint->size = sizeof local;
        *count = 1;
        return ST_OK;
    }
    failed = getaddrinfo(a->host, a->port, &hints, &list);
    if (failed)
        return error_set(e, ST_UNAVAILABLE, "cannot find %s: %s", QUOTE(a->host),
                         gai_strerror(failed));
    for (struct addrinfo *i = list; i && n < ENDPOINTS_MAX; i = i->ai_next) {
        if (i->ai_addrlen > sizeof endpoint[n].address)
            continue;
        memcpy(&endpoint[n].address, i->ai_addr, i->ai_addrlen);
        endpoint[n++].size = i->ai_addrlen;
    }
    freeaddrinfo(list);
    if (!n)
        return error_set(e, ST_UNAVAILABLE, "cannot find %s: no address", QUOTE(a->host));
    *count = n;
    return ST_OK;
}
