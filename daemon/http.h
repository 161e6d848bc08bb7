/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP address: /livez, /readyz and /metrics, for people and monitoring. One request a
   connection, few connections, short lives: nothing here can hold up or fill the daemon. The main
   thread's.

   libevent's own HTTP server has no limit of connections and knows no Unix sockets, hence these few
   lines. */
#pragma once

#include "base/status.h"

struct control;
struct http;

/* Listen on the address, without accepting yet. */
MUST_CHECK enum status http_new(struct http **out, struct control *control, const char *address,
                                struct error *e);
void http_start(struct http *h);
const char *http_address(const struct http *h);
/* Close everything. NULL is fine. */
void http_free(struct http *h);
