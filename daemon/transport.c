/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's transport as a whole: made and freed with the worker, used on its thread. */
#include "daemon/transport.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "daemon/server.h"

#define TICK_MOST_US 250000
#define TICK_LEAST_US 10000

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct transport *t = arg;
    uint64_t now_us = clock_now_us();
    struct connection *c, *next;

    (void)fd, (void)what;
    for (c = t->connections; c; c = next) {
        next = c->next;
        connection_check(c, now_us);
    }
}

/* An eighth of the shortest time limit, so that none is passed by much. */
static struct timeval tick_period(const struct limits *l)
{
    const uint64_t limit[] = {l->handshake_us, l->request_us,   l->write_us,
                              l->idle_us,      l->keepalive_us, l->drain_us};
    uint64_t us = TICK_MOST_US;

    for (size_t i = 0; i < sizeof limit / sizeof *limit; i++)
        if (limit[i] && limit[i] / 8 < us)
            us = limit[i] / 8;
    if (us < TICK_LEAST_US)
        us = TICK_LEAST_US;
    return (struct timeval){.tv_usec = (suseconds_t)us};
}

enum status transport_new(struct transport **out, struct worker *w, struct error *e)
{
    struct transport *t = mem_zero(1, sizeof *t);
    struct timeval period = tick_period(&w->server->limits);

    if (!t)
        return error_memory(e, "transport");
    t->worker = w;
    t->limits = &w->server->limits;
    t->input = mem_alloc(INPUT_SIZE);
    if (!t->input || call_map_init(&t->calls) < 0 || rpc_map_init(&t->rpcs, w->server->rpcs) < 0 ||
        session_setup(t) < 0)
        goto failed;
    t->tick = event_new(w->base, -1, EV_PERSIST, on_tick, t);
    if (!t->tick || event_add(t->tick, &period) < 0)
        goto failed;
    *out = t;
    return ST_OK;
failed:
    transport_free(t);
    return error_memory(e, "transport");
}

void transport_free(struct transport *t)
{
    struct stream *s;
    struct message *m;

    if (!t)
        return;
    while (t->connections)
        connection_close(t->connections);
    while ((s = t->spare_streams)) {
        t->spare_streams = s->next;
        arena_done(&s->call.arena);
        if (s->timer)
            event_free(s->timer);
        mem_free(s);
    }
    while ((m = t->spare_messages)) {
        t->spare_messages = m->next;
        mem_free(m);
    }
    if (t->tick)
        event_free(t->tick);
    nghttp2_session_callbacks_del(t->callbacks);
    nghttp2_option_del(t->option);
    rpc_map_done(&t->rpcs);
    call_map_done(&t->calls);
    mem_free(t->input);
    mem_free(t);
}

static bool is_loopback(const struct sockaddr_storage *a)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)a;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)a;

    if (a->ss_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    return a->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

/* Within the machine nothing is congested. What the system has for networks may hold answers back
   there, as BBR does with its pacing; Reno, which every system has, does not. */
static void uncontrol(int fd)
{
    struct sockaddr_storage peer;
    socklen_t n = sizeof peer;

    if (getpeername(fd, (struct sockaddr *)&peer, &n) == 0 && is_loopback(&peer))
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", strlen("reno"));
}

/* For sockets where these make no sense they fail, and that is fine. */
static void set_options(int fd)
{
    const int on = 1, idle_s = 120, interval_s = 20, probes = 4;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    /* So that a host that vanished is noticed when it has no call open, too. */
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    uncontrol(fd);
}

void transport_adopt(struct transport *t, int fd)
{
    static struct log_limit limit;
    struct server *server = t->worker->server;

    set_options(fd);
    if (connection_new(t, fd)) {
        atomic_fetch_add_explicit(&server->connections_total, 1, memory_order_relaxed);
        return;
    }
    atomic_fetch_add_explicit(&server->connections_refused, 1, memory_order_relaxed);
    log_limited(&limit, 1, LOG_ERROR, "connection refused: out of memory");
}

void transport_flush(struct transport *t)
{
    struct connection *c;

    while ((c = t->dirty)) {
        t->dirty = c->next_dirty;
        c->dirty = false;
        connection_flush(c);
    }
}

void transport_drain(struct transport *t)
{
    struct connection *c, *next;

    t->drain_end_us = clock_now_us() + t->limits->drain_us;
    for (c = t->connections; c; c = next) {
        next = c->next;
        connection_drain(c);
    }
}

void transport_hurry(struct transport *t)
{
    t->drain_end_us = clock_now_us(); /* the next tick sees it */
}

bool transport_idle(const struct transport *t)
{
    return !t->connections;
}

struct call *call_find(struct worker *worker, uint64_t id)
{
    struct stream *s = call_map_find(&worker->transport->calls, id);

    return s ? &s->call : NULL;
}
