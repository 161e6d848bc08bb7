/* SPDX-License-Identifier: Apache-2.0 */
/* The engine of a client: which connection a call goes to, waiting for sockets and clocks, and what
   becomes of calls when connections end. Owned by the thread that uses the client. */
#include "client/client.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"

enum status letter_new(struct letter **out, size_t bytes, size_t head, size_t pieces,
                       struct error *e)
{
    struct letter *l;
    size_t room;

    if (bytes > UINT32_MAX)
        return error_set(e, ST_EXHAUSTED, "a request of %zu bytes is more than gRPC can carry",
                         bytes);
    if (!size_mul(pieces + 1, sizeof *l->piece, &room) ||
        !size_add(room, sizeof *l + GRPC_PREFIX + head, &room) || !(l = mem_alloc(room)))
        return error_memory(e, "request");
    *l = (struct letter){.piece = (struct bytes *)(l + 1) + 1};
    l->head = (unsigned char *)(l->piece + pieces) + GRPC_PREFIX;
    grpc_prefix_write(l->head - GRPC_PREFIX, (uint32_t)bytes);
    l->piece[-1] = (struct bytes){l->head - GRPC_PREFIX, GRPC_PREFIX};
    l->parcel.piece = l->piece - 1;
    l->parcel.pieces = pieces + 1;
    *out = l;
    return ST_OK;
}

enum status client_call_new(embd_call **out, embd_client *client, const char *path, size_t size,
                            struct letter *letter, uint64_t timeout_us, struct error *e)
{
    embd_call *call = mem_zero(1, size);

    if (!call)
        return error_memory(e, "call");
    call->call.path = path;
    call->call.reply_max = client->reply_max;
    if (letter)
        body_add(&call->call.body, &letter->parcel);
    call->client = client;
    call->timeout_us = timeout_us;
    if (__builtin_add_overflow(clock_now_us(), timeout_us, &call->call.deadline_us))
        call->call.deadline_us = CALL_FOREVER;
    *out = call;
    return ST_OK;
}

void client_call_free(embd_call *call)
{
    if (!call)
        return;
    for (size_t i = 0; i < call->result_count; i++)
        mem_free(call->result[i].own);
    mem_free(call->result);
    mem_free(call->reply);
    for (struct parcel *p = call->call.body.first, *next; p; p = next) {
        next = p->next;
        mem_free(p); /* a letter begins with its parcel */
    }
    mem_free(call);
}

enum status client_reply_begin(void *context, uint32_t length, struct error *e)
{
    embd_call *call = context;

    mem_free(call->reply);
    call->reply_bytes = 0;
    call->reply = mem_alloc(length);
    return call->reply ? ST_OK : error_memory(e, "reply");
}

enum status client_reply_add(void *context, const unsigned char *data, size_t n, struct error *e)
{
    embd_call *call = context;

    (void)e;
    memcpy(call->reply + call->reply_bytes, data, n);
    call->reply_bytes += n;
    return ST_OK;
}

int client_result(enum status st, const struct error *e, char *error)
{
    if (st != ST_OK && error)
        memcpy(error, e->text, strlen(e->text) + 1);
    return (int)st;
}

uint64_t client_microseconds(int64_t ms, uint64_t fallback)
{
    if (ms < 0)
        return CALL_FOREVER;
    if (ms == 0)
        return fallback;
    return ms > INT64_MAX / 1000 ? CALL_FOREVER : (uint64_t)ms * 1000;
}

/* Free connections that are of no use any more. */
static void prune(embd_client *client)
{
    struct connection **link = &client->connections, *c;

    while ((c = *link)) {
        if (c->session.calls == 0 && (c != client->connections || !connection_takes_calls(c))) {
            *link = c->next;
            connection_free(c);
        } else {
            link = &c->next;
        }
    }
}

/* The connection for a new call, connected or connecting. */
static enum status choose(struct connection **out, embd_client *client, uint64_t now_us,
                          struct error *e)
{
    struct connection *c = client->connections;
    size_t count = 0;
    enum status st;

    /* Nobody has looked at an idle connection: it may have ended meanwhile. */
    if (c && c->state == CONNECTION_OPEN && c->session.calls == 0)
        connection_step(c, POLLIN, now_us);
    prune(client);
    c = client->connections;
    if (!c || !connection_takes_calls(c)) {
        for (; c; c = c->next)
            count++;
        if (count == CONNECTIONS_MAX)
            return error_set(e, ST_UNAVAILABLE, "%s keeps ending its connections",
                             QUOTE(client->address.text));
        st = connection_new(&c, &client->address, now_us + client->connect_us, e);
        if (st != ST_OK)
            return st;
        c->next = client->connections;
        client->connections = c;
    }
    if (c->state == CONNECTION_CLOSED) {
        *e = c->error;
        return ST_UNAVAILABLE;
    }
    *out = c;
    return ST_OK;
}

static enum status client_send(embd_client *client, struct call *call, struct error *e)
{
    uint64_t now_us = clock_now_us(), left_us = CALL_FOREVER;
    struct connection *c = NULL;
    enum status st = choose(&c, client, now_us, e);

    if (st != ST_OK)
        return st;
    if (call->deadline_us != CALL_FOREVER && !call->streaming) /* a stream's is of one answer */
        left_us = call->deadline_us > now_us ? call->deadline_us - now_us : 0;
    st = session_submit(&c->session, call, address_authority(&client->address), left_us, e);
    if (st != ST_OK)
        return st;
    call->connection = c;
    connection_flush(c);
    return ST_OK;
}

/* What the last events mean for a call in flight. */
static void settle_call(embd_call *call, uint64_t now_us)
{
    struct call *c = &call->call;
    struct error *e = &c->error;
    enum status st;
    char limit[32];

    if (c->connection && c->connection->state == CONNECTION_CLOSED) {
        struct connection *ended = c->connection;

        session_forget(&ended->session, c);
        *e = ended->error;
        call_finish(c, ST_UNAVAILABLE);
    } else if (now_us >= c->deadline_us) {
        if (c->connection)
            session_drop(&c->connection->session, c);
        call_finish(c, error_set(e, ST_DEADLINE, "no answer from %s within %s",
                                 QUOTE(call->client->address.text),
                                 format_duration(limit, (double)call->timeout_us)));
    } else if (c->refused && c->again) {
        call_finish(c, error_set(e, ST_UNAVAILABLE, "%s refused the call, twice",
                                 QUOTE(call->client->address.text)));
    } else if (c->refused) {
        c->again = true;
        st = client_send(call->client, c, e);
        if (st != ST_OK)
            call_finish(c, st);
    }
}

enum status client_start(embd_client *client, embd_call *call, struct error *e)
{
    enum status st = client_send(client, &call->call, e);

    if (st != ST_OK)
        return st;
    call->next = client->calls;
    client->calls = call;
    return ST_OK;
}

bool client_call_ready(const embd_call *call)
{
    return call->call.over || (call->call.streaming &&
                               call->call.replies > ((const struct embd_push_stream *)call)->taken);
}

void client_remove(embd_client *client, embd_call *call)
{
    embd_call **link = &client->calls;
    struct connection *c = call->call.connection;

    while (*link != call)
        link = &(*link)->next;
    *link = call->next;
    if (c) {
        session_drop(&c->session, &call->call);
        connection_flush(c); /* as far as it goes: the next call takes the rest along */
    }
}

void client_drive(embd_client *client, uint64_t until_us)
{
    struct connection *at[CONNECTIONS_MAX];
    struct pollfd fd[CONNECTIONS_MAX];
    uint64_t now_us = clock_now_us();
    nfds_t n = 0;
    int ready, wait_ms = -1;

    for (struct connection *c = client->connections; c && n < CONNECTIONS_MAX; c = c->next) {
        if (c->state == CONNECTION_CLOSED)
            until_us = 0; /* its calls must hear of it */
        if (c->state == CONNECTION_CONNECTING && c->connect_deadline_us < until_us)
            until_us = c->connect_deadline_us;
        at[n] = c;
        fd[n++] = (struct pollfd){c->fd, connection_events(c), 0};
    }
    for (const embd_call *call = client->calls; call; call = call->next)
        if (!call->call.over && call->call.deadline_us < until_us)
            until_us = call->call.deadline_us;
    if (until_us != CALL_FOREVER) {
        uint64_t ms = until_us > now_us ? (until_us - now_us + 999) / 1000 : 0;

        wait_ms = ms < INT_MAX ? (int)ms : INT_MAX;
    }
    ready = poll(fd, n, wait_ms);
    now_us = clock_now_us();
    for (nfds_t i = 0; i < n; i++)
        connection_step(at[i], ready > 0 ? fd[i].revents : 0, now_us);
    for (embd_call *call = client->calls; call; call = call->next)
        if (!call->call.over)
            settle_call(call, now_us);
    prune(client);
}

void client_return_loans(embd_client *client)
{
    embd_call *call;

    while ((call = client->lenders)) {
        client->lenders = call->next;
        client_call_free(call);
    }
}
