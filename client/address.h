/* SPDX-License-Identifier: Apache-2.0 */
/* Where a daemon listens: "host:port", "[v6]:port" or "unix:/path", and the socket addresses that
   such a text stands for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/status.h"

#define ADDRESS_DEFAULT "127.0.0.1:3623"
#define ENDPOINTS_MAX 8 /* of one name; more are not tried */

struct address {
    char *text; /* as given, for sentences */
    char *host; /* without brackets; of a Unix socket the path */
    char *port; /* NULL: a Unix socket */
};

struct endpoint {
    struct sockaddr_storage address;
    socklen_t size;
};

/* Take an address apart; ST_INVALID with a sentence if it is none. Release with address_done(). */
MUST_CHECK enum status address_parse(struct address *a, const char *text, struct error *e);
void address_done(struct address *a);
/* What HTTP/2 calls the authority. */
const char *address_authority(const struct address *a);
/* Find the socket addresses, in the order in which they are to be tried. Asks the name service for
   names, which may take its time. ST_UNAVAILABLE if there are none. */
MUST_CHECK enum status address_resolve(const struct address *a, struct endpoint *endpoint,
                                       size_t *count, struct error *e);
