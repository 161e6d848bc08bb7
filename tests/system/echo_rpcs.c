/* SPDX-License-Identifier: Apache-2.0 */
/* The methods of /echo.Echo. Run on whichever worker has the call; the counters are everybody's. */
#include "tests/system/echo_rpcs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "daemon/server.h"
#include "daemon/worker.h"
#include "proto/grpc.h"

atomic_uint_fast64_t echo_ended[ECHO_RPCS][ST_COUNT], echo_messages[ECHO_RPCS], echo_turns;
atomic_int_fast64_t echo_open;

static void count(struct call *call, enum status st)
{
    atomic_fetch_add(&echo_ended[call->rpc->index][st], 1);
}

static void fail(struct call *call, enum status st, const char *sentence)
{
    struct error e;

    call_fail(call, error_set(&e, st, "%s", sentence), &e);
}

/* A message of these bytes, counted in flight; NULL if there is no room for it. */
static struct block *message_of(struct call *call, const void *data, size_t n)
{
    struct block *b = call_charge(call, n) ? call_message_new(n) : NULL;

    if (b && n)
        memcpy(b->data + GRPC_PREFIX, data, n);
    return b;
}

static void reply(struct call *call, const void *data, size_t n)
{
    struct block *b = message_of(call, data, n);

    if (b)
        call_reply(call, b);
    else
        fail(call, ST_EXHAUSTED, "no memory for the reply");
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
    atomic_fetch_add(&echo_messages[UNARY], 1);
    reply(call, data, n);
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
    int n;

    atomic_fetch_add(&echo_turns, 1);
    if (slow->left-- > 1) {
        worker_enqueue(slow->call->worker, job);
        return;
    }
    n = snprintf(text, sizeof text, "%" PRIu64, slow->all);
    reply(slow->call, text, (size_t)n);
}

static void slow(struct call *call, const unsigned char *data, size_t n)
{
    struct slow *state = arena_zero(&call->arena, 1, sizeof *state);
    uint64_t number[2];

    if (!numbers(data, n, number) || !number[0] || !state) {
        fail(call, ST_INVALID, "not a number");
        return;
    }
    *state = (struct slow){.job.run = slow_run, .call = call, .left = number[0], .all = number[0]};
    call->state = state;
    atomic_fetch_add(&echo_open, 1);
    worker_enqueue(call->worker, &state->job);
}

static void slow_done(struct call *call, enum status st)
{
    struct slow *state = call->state;

    count(call, st);
    if (!state)
        return;
    atomic_fetch_sub(&echo_open, 1);
    worker_dequeue(call->worker, &state->job);
}

/* "N SIZE": so many messages of that size, the i-th full of the byte i. */
static void stream(struct call *call, const unsigned char *data, size_t n)
{
    uint64_t number[2] = {0, 10}, bytes;

    if (!numbers(data, n, number) ||
        __builtin_mul_overflow(number[0], number[1] + GRPC_PREFIX, &bytes)) {
        fail(call, ST_INVALID, "not a number");
        return;
    }
    if (!call_charge(call, bytes)) {
        fail(call, ST_EXHAUSTED, "no memory for so many");
        return;
    }
    for (uint64_t i = 0; i < number[0]; i++) {
        struct block *b = call_message_new(number[1]);

        if (!b) {
            fail(call, ST_EXHAUSTED, "no memory for a message");
            return;
        }
        memset(b->data + GRPC_PREFIX, (int)i, number[1]);
        call_send(call, b);
    }
    call_finish(call);
}

/* Each message back; "fail" ends the call. */
static void both(struct call *call, const unsigned char *data, size_t n)
{
    struct block *b;

    atomic_fetch_add(&echo_messages[BOTH], 1);
    if (n == 4 && memcmp(data, "fail", 4) == 0)
        fail(call, ST_ABORTED, "as you wish");
    else if ((b = message_of(call, data, n)))
        call_send(call, b);
    else
        fail(call, ST_EXHAUSTED, "no memory for the echo");
}

/* "CODE sentence" */
static void refuse(struct call *call, const unsigned char *data, size_t n)
{
    const char *space = memchr(data, ' ', n), *end = (const char *)data + n;
    char sentence[512];
    uint64_t code;

    if (!space || !parse_u64((const char *)data, (size_t)(space - (const char *)data), &code) ||
        code == 0 || code >= ST_COUNT) {
        fail(call, ST_INVALID, "not a status and a sentence");
        return;
    }
    snprintf(sentence, sizeof sentence, "%.*s", (int)(end - space - 1), space + 1);
    fail(call, (enum status)code, sentence);
}

/* So many bytes, each the low byte of its place. */
static void large(struct call *call, const unsigned char *data, size_t n)
{
    uint64_t number[2];
    struct block *b;

    if (!numbers(data, n, number)) {
        fail(call, ST_INVALID, "not a number");
        return;
    }
    b = call_charge(call, number[0]) ? call_message_new(number[0]) : NULL;
    if (!b) {
        fail(call, ST_EXHAUSTED, "no memory for so much");
        return;
    }
    for (size_t i = 0; i < number[0] && i < 256; i++)
        b->data[GRPC_PREFIX + i] = (unsigned char)i;
    for (size_t i = 256, k; i < number[0]; i += k) {
        k = number[0] - i < i ? number[0] - i : i;
        memcpy(b->data + GRPC_PREFIX + i, b->data + GRPC_PREFIX, k);
    }
    call_reply(call, b);
}

/* "N FAIL": the same answer in pieces of up to 10,000 bytes, one in each turn of a job; after FAIL
   of them the call fails, if that is not 0. */
struct pieces {
    struct job job; /* first */
    struct call *call;
    uint64_t all, made, left_before_failure;
};

static void pieces_run(struct job *job)
{
    struct pieces *state = (struct pieces *)job;
    struct call *call = state->call;
    size_t n = state->all - state->made < 10000 ? state->all - state->made : 10000;
    struct block *b = state->made ? block_new(n) : call_message_begin(state->all, n);

    if (!b) {
        fail(call, ST_EXHAUSTED, "no memory for a piece");
        return;
    }
    for (size_t i = 0; i < n; i++)
        b->data[b->size++] = (unsigned char)state->made++;
    call_send(call, b);
    if (state->left_before_failure && !--state->left_before_failure)
        fail(call, ST_ABORTED, "as you wish");
    else if (state->made < state->all)
        worker_enqueue(call->worker, job);
    else
        call_finish(call);
}

static void pieces(struct call *call, const unsigned char *data, size_t n)
{
    struct pieces *state = arena_zero(&call->arena, 1, sizeof *state);
    uint64_t number[2] = {0};

    if (!numbers(data, n, number) || !state || !call_charge(call, number[0])) {
        fail(call, ST_INVALID, "not a number, or no memory");
        return;
    }
    *state = (struct pieces){
        .job.run = pieces_run, .call = call, .all = number[0], .left_before_failure = number[1]};
    call->state = state;
    atomic_fetch_add(&echo_open, 1);
    worker_enqueue(call->worker, &state->job);
}

static void pieces_done(struct call *call, enum status st)
{
    struct pieces *state = call->state;

    count(call, st);
    if (!state)
        return;
    atomic_fetch_sub(&echo_open, 1);
    worker_dequeue(call->worker, &state->job);
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
    atomic_fetch_add(&echo_messages[WAIT], 1);
    if (!state) {
        fail(call, ST_EXHAUSTED, "no memory to wait");
        return;
    }
    state->waiter.wake = wait_wake;
    state->call = call;
    call->state = state;
    atomic_fetch_add(&echo_open, 1);
    worker_wait(call->worker, &state->waiter);
}

static void wait_done(struct call *call, enum status st)
{
    struct wait *state = call->state;

    count(call, st);
    if (!state)
        return;
    atomic_fetch_sub(&echo_open, 1);
    worker_unwait(call->worker, &state->waiter);
}

/* All counters, as JSON. */
static void counts(struct call *call, const unsigned char *data, size_t n)
{
    const struct server *server = call->worker->server;
    uint64_t connections = 0, streams = 0, inflight = 0;
    char text[8192];
    size_t used = 0;

    (void)data, (void)n;
    for (unsigned i = 0; i < server->worker_count; i++) {
        connections += server->worker[i]->connection_count;
        streams += server->worker[i]->stream_count;
        inflight += server->worker[i]->inflight_bytes;
    }
#define ADD(...) (used += (size_t)snprintf(text + used, sizeof text - used, __VA_ARGS__))
    ADD("{\"connections\": %" PRIu64 ", \"streams\": %" PRIu64 ", \"inflight\": %" PRIu64
        ", \"total\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"cut\": %" PRIu64
        ", \"turns\": %" PRIu64,
        connections, streams, inflight, (uint64_t)server->connections_total,
        (uint64_t)server->connections_refused, (uint64_t)server->connections_cut,
        (uint64_t)echo_turns);
    for (unsigned i = 0; i < ECHO_RPCS; i++) {
        ADD(", \"%s\": {\"messages\": %" PRIu64, i == UNKNOWN ? "unknown" : echo_rpcs[i]->name,
            (uint64_t)echo_messages[i]);
        for (unsigned st = 0; st < ST_COUNT; st++)
            if (echo_ended[i][st])
                ADD(", \"%s\": %" PRIu64, status_name(st), (uint64_t)echo_ended[i][st]);
        ADD("}");
    }
    ADD("}");
#undef ADD
    reply(call, text, used);
}

#define RPC(name, function, ...)                                                                   \
    (&(const struct rpc){"/echo.Echo/" #name, #name, .message = function, __VA_ARGS__})

const struct rpc *const echo_rpcs[] = {
    RPC(Unary, unary, .index = UNARY, .done = count),
    RPC(Slow, slow, .index = SLOW, .done = slow_done),
    RPC(Stream, stream, .index = STREAM, .done = count, .server_streams = true),
    RPC(Both, both, .index = BOTH, .done = count, .client_streams = true, .server_streams = true,
        .half_close = call_finish),
    RPC(Fail, refuse, .index = FAIL, .done = count),
    RPC(Large, large, .index = LARGE, .done = count),
    RPC(Pieces, pieces, .index = PIECES, .done = pieces_done),
    RPC(Wait, wait, .index = WAIT, .done = wait_done),
    RPC(Counts, counts, .index = COUNTS, .done = count),
    NULL,
};
const struct rpc echo_unknown = {.name = "unknown", .index = UNKNOWN, .done = count};
