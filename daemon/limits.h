/* SPDX-License-Identifier: Apache-2.0 */
/* Every quantity that a peer controls has its limit here; values come from the configuration
   (options of the same names, see options.def) and never change while the daemon runs. */
#pragma once

#include <stdint.h>

struct limits {
    uint64_t max_request_bytes;  /* one message */
    uint64_t max_reply_bytes;    /* one message, refused before work is done */
    uint64_t max_ids;            /* a call */
    uint64_t max_work;           /* multiply-adds a call */
    uint64_t max_streams;        /* a connection */
    uint64_t max_connections;    /* over all workers */
    uint64_t max_inflight_bytes; /* request bodies and unsent replies, over all connections */
    uint64_t max_buffered_bytes; /* unsent output a connection, before reading from it stops */
    uint64_t max_headers_bytes;  /* header list of a call: sum of name + value + 32 */
    uint64_t max_resets; /* streams reset by the peer, burst; then max_resets_rate a second */
    uint64_t max_resets_rate;
    uint64_t max_controls_rate; /* PING, SETTINGS, PRIORITY, WINDOW_UPDATE and empty DATA frames a
                                   second that go with no call */
    uint64_t handshake_us;      /* connection preface */
    uint64_t request_us;        /* a request's headers and body, from its first frame */
    uint64_t write_us;          /* no progress while output waits */
    uint64_t idle_us;           /* no stream open; 0: for ever */
    uint64_t keepalive_us;      /* server's own PING after silence with streams open; 0: none */
    uint64_t drain_us;          /* grace of the calls in flight at SIGTERM */
    uint64_t max_wait_us;       /* for min_version */
    uint64_t max_queued_push_bytes; /* pushes that are not answered yet, over all connections */
    double max_gradient_norm;       /* of a row's summed gradient; 0: none */
};
