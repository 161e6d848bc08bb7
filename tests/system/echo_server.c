/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's transport with the methods of echo_rpcs.h, for tests of the transport alone.
   `echo_server [listen=ADDR]… [workers=N] [LIMIT=NUMBER]…` prints "ready ADDR…" and serves until
   SIGTERM, which drains. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/listener.h"
#include "daemon/server.h"
#include "daemon/worker.h"
#include "tests/system/echo_rpcs.h"

#define LIMITS(LIMIT)                                                                              \
    LIMIT(max_request_bytes, 64 << 20)                                                             \
    LIMIT(max_reply_bytes, 64 << 20)                                                               \
    LIMIT(max_streams, 256)                                                                        \
    LIMIT(max_connections, 10000)                                                                  \
    LIMIT(max_inflight_bytes, 1 << 30)                                                             \
    LIMIT(max_buffered_bytes, 1 << 20)                                                             \
    LIMIT(max_headers_bytes, 8192)                                                                 \
    LIMIT(max_resets, 1000)                                                                        \
    LIMIT(max_resets_rate, 100)                                                                    \
    LIMIT(max_controls_rate, 1000)                                                                 \
    LIMIT(handshake_us, 5000000)                                                                   \
    LIMIT(request_us, 30000000)                                                                    \
    LIMIT(write_us, 30000000)                                                                      \
    LIMIT(idle_us, 0)                                                                              \
    LIMIT(keepalive_us, 0)                                                                         \
    LIMIT(drain_us, 5000000)

static struct server server;
static struct event_base *base;
static struct listener *listeners[8];
static unsigned listener_count;

static void die(const char *what, const struct error *e)
{
    fprintf(stderr, "echo_server: %s: %s\n", what, e->text);
    exit(1);
}

static void set(const char *argument, unsigned *workers)
{
    const char *value = strchr(argument, '=');
    size_t n = value ? (size_t)(value - argument) : 0;
    uint64_t number;
    struct error e;

    if (n == 6 && !memcmp(argument, "listen", n)) {
        if (listener_new(&listeners[listener_count++], &server, base, value + 1, &e) != ST_OK)
            die("listen", &e);
        return;
    }
    if (!value || !parse_u64(value + 1, strlen(value + 1), &number))
        die(argument, &(struct error){"not NAME=NUMBER"});
    if (!strncmp(argument, "workers", n))
        *workers = (unsigned)number;
#define LIMIT(name, fallback)                                                                      \
    else if (n == strlen(#name) && !memcmp(argument, #name, n)) server.limits.name = number;
    LIMITS(LIMIT)
#undef LIMIT
    else die(argument, &(struct error){"no such limit"});
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    event_base_loopbreak(base);
}

int main(int argc, char **argv)
{
    unsigned workers = 1;
    struct event *on_term;
    struct error e;

    base = event_base_new();
    on_term = evsignal_new(base, SIGTERM, on_signal, NULL);
    event_add(on_term, NULL);
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_DEBUG);
    server.rpcs = echo_rpcs;
    server.unknown = &echo_unknown;
    server.start_us = clock_now_us();
#define LIMIT(name, fallback) server.limits.name = fallback;
    LIMITS(LIMIT)
#undef LIMIT
    for (int i = 1; i < argc; i++)
        set(argv[i], &workers);
    server.worker = mem_zero(workers, sizeof(struct worker *));
    for (unsigned i = 0; i < workers; i++)
        if (worker_new(&server.worker[i], &server, i, &e) != ST_OK)
            die("worker", &e);
    server.worker_count = workers;
    for (unsigned i = 0; i < workers; i++)
        if (worker_start(server.worker[i], &e) != ST_OK)
            die("worker", &e);
    printf("ready");
    for (unsigned i = 0; i < listener_count; i++) {
        listener_start(listeners[i]);
        printf(" %s", listener_address(listeners[i]));
    }
    printf("\n");
    fflush(stdout);
    event_base_dispatch(base);
    for (unsigned i = 0; i < listener_count; i++)
        listener_free(listeners[i]);
    for (unsigned i = 0; i < workers; i++)
        worker_drain(server.worker[i]);
    for (unsigned i = 0; i < workers; i++)
        worker_join(server.worker[i]);
    for (unsigned i = 0; i < workers; i++)
        worker_free(server.worker[i]);
    mem_free(server.worker);
    event_free(on_term);
    event_base_free(base);
    return 0;
}
