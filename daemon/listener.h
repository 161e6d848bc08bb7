/* SPDX-License-Identifier: Apache-2.0 */
/* A listening socket, TCP or Unix, run by the main thread. Accepted sockets go to the workers in
   turn, or to whoever asks for them. */
#pragma once

#include <event2/event.h>

#include "base/status.h"

struct listener;
struct server;

/* Listen on "host:port" ("[v6]:port"; port 0 is any free one) or "unix:path", without accepting
   yet. A socket file that nobody listens on any more is replaced; the new one has mode 0660, for
   which the process's umask is changed for a moment: make listeners before threads that create
   files. */
MUST_CHECK enum status listener_new(struct listener **out, struct server *server,
                                    struct event_base *base, const char *address, struct error *e);
/* Hand accepted sockets (non-blocking, close-on-exec) to `take` and not to the workers. Before
   listener_start(). */
void listener_set_taker(struct listener *l, void (*take)(void *arg, int fd), void *arg);
/* Begin to accept; the server's workers are running. */
void listener_start(struct listener *l);
/* The address that was bound, as a client would name it: "127.0.0.1:3623", "unix:/run/embd.sock".
 */
const char *listener_address(const struct listener *l);
/* Close the socket (and remove its file). NULL is fine. */
void listener_free(struct listener *l);
