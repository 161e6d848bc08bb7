/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of embdclient.h. Owned by the thread that uses the client. */
#include "client/embdclient.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "client/client.h"
#include "proto/lookup_coding.h"

#define TIMEOUT_US UINT64_C(10000000)
#define CONNECT_US UINT64_C(5000000)
#define REPLY_MAX (UINT64_C(64) << 20)

static_assert(sizeof(((struct error *)0)->text) == EMBD_CLIENT_ERROR_MAX, "sentences fit");

int embd_client_open(embd_client **client, const char *address, const embd_client_options *options,
                     char *error)
{
    static const embd_client_options defaults;
    embd_client *c = mem_zero(1, sizeof *c);
    struct error e;
    enum status st;

    if (!c)
        return client_result(error_memory(&e, "client"), &e, error);
    if (!options)
        options = &defaults;
    c->timeout_us = client_microseconds(options->timeout_ms, TIMEOUT_US);
    c->connect_us = client_microseconds(options->connect_ms, CONNECT_US);
    c->reply_max = options->max_reply_bytes ? options->max_reply_bytes : REPLY_MAX;
    if (!address)
        address = secure_getenv("EMBD_SERVER");
    st = address_parse(&c->address, address && *address ? address : ADDRESS_DEFAULT, &e);
    if (st == ST_OK)
        *client = c;
    else
        mem_free(c);
    return client_result(st, &e, error);
}

void embd_client_close(embd_client *client)
{
    if (!client)
        return;
    while (client->calls)
        embd_call_cancel(client->calls);
    client_return_loans(client);
    while (client->connections) {
        struct connection *c = client->connections;

        client->connections = c->next;
        connection_free(c);
    }
    address_done(&client->address);
    mem_free(client);
}

static enum status lookup_begin(void *context, uint32_t length, struct error *e)
{
    embd_call *call = context;

    (void)e;
    reply_reader_begin(&call->reader, length);
    return ST_OK;
}

static enum status lookup_add(void *context, const unsigned char *data, size_t n, struct error *e)
{
    embd_call *call = context;

    return reply_reader_add(&call->reader, data, n, e);
}

static enum status lookup_end(void *context, struct error *e)
{
    embd_call *call = context;

    return reply_reader_end(&call->reader, e);
}

/* What the reply could not be read without; all else is the daemon's to judge. */
static enum status check_lookup(const embd_lookup *l, struct error *e)
{
    if (!l->table)
        return error_set(e, ST_INVALID, "a lookup names no table");
    if ((l->id_count && !l->ids) || (l->offset_count && !l->offsets))
        return error_set(e, ST_INVALID, "table %s: an array is NULL but has a length",
                         QUOTE(l->table));
    if (l->pooling != EMBD_POOLING_NONE && !l->offset_count)
        return error_set(e, ST_INVALID, "table %s: pooling needs offsets", QUOTE(l->table));
    if (l->pooling < 0)
        return error_set(e, ST_INVALID, "table %s: there is no pooling %d", QUOTE(l->table),
                         l->pooling);
    return ST_OK;
}

static enum status encode(embd_call **out, embd_client *client, embd_lookup *lookups, size_t count,
                          const embd_lookup_options *options, struct error *e)
{
    struct lookup_request request = {
        .count = count, .format = (uint32_t)options->format, .missing = (uint32_t)options->missing};
    struct letter *letter = NULL;
    embd_call *call;
    size_t pieces, head;
    enum status st;

    if (options->format < EMBD_FORMAT_F32 || options->format > EMBD_FORMAT_INT8)
        return error_set(e, ST_INVALID, "there is no format %d", options->format);
    request.lookup = mem_zero(count, sizeof *request.lookup);
    if (!request.lookup)
        return error_memory(e, "lookups");
    for (size_t i = 0; i < count; i++) {
        const embd_lookup *l = &lookups[i];

        st = check_lookup(l, e);
        if (st != ST_OK)
            goto out;
        request.lookup[i] = (struct table_lookup){
            .table = {l->table, strlen(l->table)},
            .ids = {l->ids, l->id_count * sizeof *l->ids},
            .offsets = {l->offsets, l->offset_count * sizeof *l->offsets},
            .weights = {l->weights, l->weights ? l->id_count * sizeof *l->weights : 0},
            .pooling = (uint32_t)l->pooling,
            .min_version = l->min_version,
        };
    }
    head = lookup_request_gather_size(&request, &pieces);
    st = letter_new(&letter, lookup_request_size(&request), head, pieces, e);
    if (st != ST_OK)
        goto out;
    lookup_request_gather(&request, letter->head, letter->piece);
    st = client_call_new(&call, client, "/embd.v1.Embedding/Lookup", sizeof *call, letter,
                         client_microseconds(options->timeout_ms, client->timeout_us), e);
    if (st != ST_OK)
        goto out;
    letter = NULL;
    call->result = mem_zero(count, sizeof *call->result);
    if (!call->result) {
        client_call_free(call);
        st = error_memory(e, "call");
        goto out;
    }
    call->result_count = count;
    for (size_t i = 0; i < count; i++)
        call->result[i].lookup = &lookups[i];
    reply_reader_init(&call->reader, options->format, call->result, count);
    call->call.sink = (struct reply_sink){lookup_begin, lookup_add, lookup_end, call};
    *out = call;
out:
    mem_free(letter);
    mem_free(request.lookup);
    return st;
}

int embd_client_start(embd_client *client, embd_lookup *lookups, size_t count,
                      const embd_lookup_options *options, embd_call **call, char *error)
{
    static const embd_lookup_options defaults;
    embd_call *made = NULL;
    struct error e;
    enum status st;

    client_return_loans(client);
    st = encode(&made, client, lookups, count, options ? options : &defaults, &e);
    if (st == ST_OK)
        st = client_start(client, made, &e);
    if (st == ST_OK)
        *call = made;
    else
        client_call_free(made);
    return client_result(st, &e, error);
}

int embd_call_wait(embd_call *call, char *error)
{
    embd_client *client = call->client;
    bool lent = false;
    enum status st;

    while (!call->call.over)
        client_drive(client, CALL_FOREVER);
    client_remove(client, call);
    st = call->call.status;
    (void)client_result(st, &call->call.error, error);
    for (size_t i = 0; i < call->result_count && st == ST_OK; i++)
        lent |= call->result[i].own != NULL;
    if (lent) {
        call->next = client->lenders;
        client->lenders = call;
    } else {
        client_call_free(call);
    }
    return (int)st;
}

void embd_call_cancel(embd_call *call)
{
    client_remove(call->client, call);
    client_call_free(call);
}

int embd_call_finished(const embd_call *call)
{
    return call->call.over;
}

size_t embd_client_poll(embd_client *client, int64_t timeout_ms)
{
    uint64_t until_us = CALL_FOREVER;
    bool first = true;

    if (timeout_ms >= 0 &&
        __builtin_add_overflow(clock_now_us(), client_microseconds(timeout_ms, 0), &until_us))
        until_us = CALL_FOREVER;
    for (;;) {
        size_t finished = 0;

        for (const embd_call *call = client->calls; call; call = call->next)
            finished += client_call_ready(call);
        if (!client->calls || finished || (!first && clock_now_us() >= until_us))
            return finished;
        client_drive(client, until_us);
        first = false;
    }
}

int embd_client_lookup(embd_client *client, embd_lookup *lookups, size_t count,
                       const embd_lookup_options *options, char *error)
{
    embd_call *call;
    int failed = embd_client_start(client, lookups, count, options, &call, error);

    return failed ? failed : embd_call_wait(call, error);
}

static enum status reply_end(void *context, struct error *e)
{
    (void)context;
    (void)e;
    return ST_OK;
}

int embd_client_unary(embd_client *client, const char *path, const void *request,
                      size_t request_bytes, int64_t timeout_ms, void **reply, size_t *reply_bytes,
                      char *error)
{
    struct letter *letter = NULL;
    embd_call *call = NULL;
    struct error e;
    enum status st;

    client_return_loans(client);
    st = letter_new(&letter, request_bytes, 0, 1, &e);
    if (st == ST_OK) {
        *letter->piece = (struct bytes){request, request_bytes};
        st = client_call_new(&call, client, path, sizeof *call, letter,
                             client_microseconds(timeout_ms, client->timeout_us), &e);
    }
    if (st == ST_OK) {
        letter = NULL;
        call->call.sink =
            (struct reply_sink){client_reply_begin, client_reply_add, reply_end, call};
        st = client_start(client, call, &e);
    }
    if (st != ST_OK) {
        mem_free(letter);
        client_call_free(call);
        return client_result(st, &e, error);
    }
    while (!call->call.over)
        client_drive(client, CALL_FOREVER);
    client_remove(client, call);
    st = call->call.status;
    if (st == ST_OK) {
        *reply = call->reply;
        *reply_bytes = call->reply_bytes;
        call->reply = NULL;
    }
    e = call->call.error;
    client_call_free(call);
    return client_result(st, &e, error);
}

void embd_client_free(void *reply)
{
    mem_free(reply);
}
