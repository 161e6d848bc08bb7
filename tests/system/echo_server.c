/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's transport with a few methods that do nothing useful, for tests of the transport
   alone. `echo_server [listen=ADDR]… [workers=N] [LIMIT=NUMBER]…` prints "ready ADDR…" and serves
   until SIGTERM, which drains. /echo.Echo/Counts tells what went on inside. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/call.h"
#include "daemon/listener.h"
#include "daemon/server.h"
#include "daemon/worker.h"
#include "proto/grpc.h"

enum { UNARY, SLOW, STREAM, BOTH, FAIL, LARGE, WAIT, COUNTS, UNKNOWN, RPCS };

static struct server server;
/* Calls by method and status, messages delivered, and turns of Slow. */
static atomic_uint_fast64_t calls[RPCS][ST_COUNT], messages[RPCS], turns;

static void count(struct call *call, enum status st)
{
    atomic_fetch_add(&calls[call->rpc->index][st], 1);
}

static void fail(struct call *call, enum status st, const char *sentence)
{
    struct error e;

    call_fail(call, error_set(&e, st, "%s", sentence), &e);
}

static struct block *message_of(const void *data, size_t n)
{
    struct block *b = call_message_new(n);

    if (b && n)
        memcpy(b->data + GRPC_PREFIX, data, n);
    return b;
}

/* A request that is a decimal number, or two with a space between. */
static bool numbers(const unsigned char *data, size_t n, uint64_t out[2])
{
    const char *text = (const char *)data, *space = memchr(text, ' ', n);
    size_t first = space ? (size_t)(space - text) : n;

    return parse_u64(text, first, &out[0]) &&
           (!space || parse_u64(space + 1, n - first - 1, &out[1]));
}

/* The same bytes back. */
static void unary(struct call *call, const unsigned char *data, size_t n)
{
    struct block *b;

    atomic_fetch_add(&messages[UNARY], 1);
    if (!call_charge(call, n) || !(b = message_of(data, n)))
        fail(call, ST_EXHAUSTED, "no memory for the echo");
    else
        call_reply(call, b);
}

/* Answers after so many turns of a job; the answer is their number. */
struct slow {
    struct job job; /* first */
    struct call *call;
    uint64_t left, all;
};

static void slow_run(struct job *job)
{
    struct slow *slow = (struct slow *)job;
    char text[32];

    atomic_fetch_add(&turns, 1);
    if (slow->left-- > 1) {
        worker_enqueue(slow->call->worker, job);
        return;
    }
    snprintf(text, sizeof text, "%" PRIu64, slow->all);
    call_reply(slow->call, message_of(text, strlen(text)));
}

static void slow(struct call *call, const unsigned char *data, size_t n)
{
    struct slow *state = arena_zero(&call->arena, 1, sizeof *state);
    uint64_t number[2];

    if (!numbers(data, n, number) || !number[0]) {
        fail(call, ST_INVALID, "not a number");
        return;
    }
    *state = (struct slow){.job.run = slow_run, .call = call, .left = number[0], .all = number[0]};
    call->state = state;
    worker_enqueue(call->worker, &state->job);
}

static void slow_done(struct call *call, enum status st)
{
    struct slow *state = call->state;

    count(call, st);
    if (state)
        worker_dequeue(call->worker, &state->job);
}

/* "N SIZE": so many messages of that size, the i-th full of the byte i. */
static void stream(struct call *call, const unsigned char *data, size_t n)
{
    uint64_t number[2] = {0, 10};

    if (!numbers(data, n, number)) {
        fail(call, ST_INVALID, "not a number");
        return;
    }
    for (uint64_t i = 0; i < number[0]; i++) {
        struct block *b = call_message_new(number[1]);

        memset(b->data + GRPC_PREFIX, (int)i, number[1]);
        call_send(call, b);
    }
    call_finish(call);
}

/* Each message back; "fail" ends the call. */
static void both(struct call *call, const unsigned char *data, size_t n)
{
    atomic_fetch_add(&messages[BOTH], 1);
    if (n == 4 && memcmp(data, "fail", 4) == 0)
        fail(call, ST_ABORTED, "as you wish");
    else
        call_send(call, message_of(data, n));
}

/* "CODE sentence" */
static void refuse(struct call *call, const unsigned char *data, size_t n)
{
    char text[512];
    size_t size = n < sizeof text ? n : sizeof text - 1;

    memcpy(text, data, size);
    text[size] = '\0';
    fail(call, (enum status)strtoul(text, NULL, 10), strchr(text, ' ') + 1);
}

/* So many bytes, each the low byte of its place. */
static void large(struct call *call, const unsigned char *data, size_t n)
{
    uint64_t number[2];
    struct block *b;

    if (!numbers(data, n, number))
        fail(call, ST_INVALID, "not a number");
    else if (!call_charge(call, number[0]) || !(b = call_message_new(number[0])))
        fail(call, ST_EXHAUSTED, "no memory for so much");
    else {
        for (uint64_t i = 0; i < number[0]; i++)
            b->data[GRPC_PREFIX + i] = (unsigned char)i;
        call_reply(call, b);
    }
}

/* Waits until the daemon stops. */
struct wait {
    struct waiter waiter; /* first */
    struct call *call;
};

static void wait_wake(struct waiter *waiter)
{
    struct wait *state = (struct wait *)waiter;

    if (state->call->worker->draining)
        fail(state->call, ST_UNAVAILABLE, "stopping");
    else
        worker_wait(state->call->worker, waiter);
}

static void wait(struct call *call, const unsigned char *data, size_t n)
{
    struct wait *state = arena_zero(&call->arena, 1, sizeof *state);

    (void)data, (void)n;
    atomic_fetch_add(&messages[WAIT], 1);
    state->waiter.wake = wait_wake;
    state->call = call;
    call->state = state;
    worker_wait(call->worker, &state->waiter);
}

static void wait_done(struct call *call, enum status st)
{
    struct wait *state = call->state;

    count(call, st);
    if (state)
        worker_unwait(call->worker, &state->waiter);
}

static const struct rpc *const rpcs[];

static void counts(struct call *call, const unsigned char *data, size_t n)
{
    uint64_t connections = 0, streams = 0, inflight = 0;
    char text[8192];
    size_t used = 0;

    (void)data, (void)n;
    for (unsigned i = 0; i < server.worker_count; i++) {
        connections += server.worker[i]->connection_count;
        streams += server.worker[i]->stream_count;
        inflight += server.worker[i]->inflight_bytes;
    }
#define ADD(...) (used += (size_t)snprintf(text + used, sizeof text - used, __VA_ARGS__))
    ADD("{\"connections\": %" PRIu64 ", \"streams\": %" PRIu64 ", \"inflight\": %" PRIu64
        ", \"total\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"cut\": %" PRIu64
        ", \"turns\": %" PRIu64,
        connections, streams, inflight, (uint64_t)server.connections_total,
        (uint64_t)server.connections_refused, (uint64_t)server.connections_cut, (uint64_t)turns);
    for (unsigned i = 0; i < RPCS; i++) {
        ADD(", \"%s\": {\"messages\": %" PRIu64, rpcs[i] ? rpcs[i]->name : "unknown",
            (uint64_t)messages[i]);
        for (unsigned st = 0; st < ST_COUNT; st++)
            if (calls[i][st])
                ADD(", \"%s\": %" PRIu64, status_name(st), (uint64_t)calls[i][st]);
        ADD("}");
    }
    ADD("}");
#undef ADD
    call_reply(call, message_of(text, used));
}

#define RPC(name, function, ...)                                                                   \
    (&(const struct rpc){"/echo.Echo/" #name, #name, .message = function, __VA_ARGS__})

static const struct rpc *const rpcs[RPCS] = {
    RPC(Unary, unary, .index = UNARY, .done = count),
    RPC(Slow, slow, .index = SLOW, .done = slow_done),
    RPC(Stream, stream, .index = STREAM, .done = count, .server_streams = true),
    RPC(Both, both, .index = BOTH, .done = count, .client_streams = true, .server_streams = true,
        .half_close = call_finish),
    RPC(Fail, refuse, .index = FAIL, .done = count),
    RPC(Large, large, .index = LARGE, .done = count),
    RPC(Wait, wait, .index = WAIT, .done = wait_done),
    RPC(Counts, counts, .index = COUNTS, .done = count),
};
static const struct rpc unknown = {.name = "unknown", .index = UNKNOWN, .done = count};

/* ---- The program ---- */

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

    /* No call is open when the server starts, and memory that leaks is found at its end. */
    base = event_base_new();
    on_term = evsignal_new(base, SIGTERM, on_signal, NULL);
    event_add(on_term, NULL);
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_DEBUG);
    server.rpcs = rpcs;
    server.unknown = &unknown;
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
