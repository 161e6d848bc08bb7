/* SPDX-License-Identifier: Apache-2.0 */
/* One connection of a client: a non-blocking socket and the HTTP/2 session on it. Owned by its
   client, driven by poll().

     connecting .. open .. closed      (closed for good: the client makes another one) */
#pragma once

#include <poll.h>

#include "client/address.h"
#include "client/session.h"

enum connection_state { CONNECTION_CONNECTING, CONNECTION_OPEN, CONNECTION_CLOSED };

#define CONNECTION_IN_BYTES                                                                        \
    (128 << 10) /* one read; small enough to stay in the cache until copied */
#define CONNECTION_OUT_BYTES (16 << 10) /* small frames gathered into one write */

struct connection {
    struct connection *next; /* in the client's list */
    enum connection_state state;
    int fd;
    struct session session;
    const struct address *address;
    struct endpoint endpoint[ENDPOINTS_MAX];
    size_t endpoint_count, endpoint_next;
    uint64_t connect_deadline_us;
    struct error error; /* once closed: why */

    size_t out_start, out_end; /* waiting in `out` */
    const uint8_t *frame;      /* a large frame of nghttp2's that goes out behind them */
    size_t frame_bytes;
    unsigned char out[CONNECTION_OUT_BYTES];
    unsigned char in[CONNECTION_IN_BYTES];
};

/* Begin to connect; the connection may be closed at once, its `error` says why. Fails without
   memory or address alone. `address` must outlive the connection. */
MUST_CHECK enum status connection_new(struct connection **out, const struct address *address,
                                      uint64_t connect_deadline_us, struct error *e);
void connection_free(struct connection *c);

/* Whether a new call may go here. */
bool connection_takes_calls(const struct connection *c);
/* What poll() is to wait for. */
short connection_events(const struct connection *c);
/* Do what can be done now: connect on, read once, write. `events` is poll()'s answer. */
void connection_step(struct connection *c, short events, uint64_t now_us);
/* Write what waits, as far as the socket takes it. */
void connection_flush(struct connection *c);
