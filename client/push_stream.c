/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of pushes. A letter stays in the call's body until its answer is taken, since its arrays
   are the caller's, and a stream that was refused unseen is sent once more from its beginning.
   Owned by the thread that uses the client. */
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "client/client.h"

static struct embd_push_stream *stream_of(embd_call *call)
{
    return (struct embd_push_stream *)call; /* which begins with it */
}

/* A message has come. */
static enum status take(void *context, struct error *e)
{
    struct embd_push_stream *s = stream_of(context);
    enum status st;

    if (!s->awaiting || !body_sent(&s->call.call.body, s->awaiting))
        return error_set(e, ST_INTERNAL, "%s answers a push that it has not got",
                         QUOTE(s->call.client->address.text));
    st = push_answer(&s->call, (const struct letter *)s->awaiting, e);
    if (st == ST_OK)
        s->awaiting = s->awaiting->next;
    return st;
}

int embd_push_stream_open(embd_client *client, int64_t timeout_ms, embd_push_stream **stream,
                          char *error)
{
    embd_call *call = NULL;
    struct error e;
    enum status st;

    client_return_loans(client);
    st = client_call_new(&call, client, "/embd.v1.Embedding/PushStream", sizeof **stream, NULL,
                         client_microseconds(timeout_ms, client->timeout_us), &e);
    if (st == ST_OK) {
        call->call.streaming = call->call.body.open = true;
        call->call.deadline_us = CALL_FOREVER;
        call->call.sink = (struct reply_sink){client_reply_begin, client_reply_add, take, call};
        st = client_start(client, call, &e);
    }
    if (st == ST_OK)
        *stream = stream_of(call);
    else
        client_call_free(call);
    return client_result(st, &e, error);
}

/* Let the daemon know what has been added to the body, or that it has ended. */
static enum status transmit(embd_call *call, struct error *e)
{
    struct connection *c = call->call.connection;
    enum status st;

    if (!c) /* about to be sent again, from its beginning */
        return ST_OK;
    st = session_resume(&c->session, &call->call, e);
    if (st == ST_OK)
        connection_flush(c);
    return st;
}

/* Why nothing more goes on a stream that is over. */
static enum status ended(const embd_call *call, struct error *e)
{
    if (call->call.status == ST_OK)
        return error_set(e, ST_UNAVAILABLE, "%s has ended the stream",
                         QUOTE(call->client->address.text));
    *e = call->call.error;
    return call->call.status;
}

int embd_push_stream_push(embd_push_stream *stream, embd_push *pushes, size_t count,
                          const embd_push_options *options, embd_push_result *result, char *error)
{
    struct call *call = &stream->call.call;
    struct letter *letter;
    struct error e;
    enum status st;

    if (call->over)
        return client_result(ended(&stream->call, &e), &e, error);
    st = push_letter(&letter, pushes, count, options, result, &e);
    if (st != ST_OK)
        return client_result(st, &e, error);
    body_add(&call->body, &letter->parcel);
    if (!stream->awaiting)
        stream->awaiting = &letter->parcel;
    st = transmit(&stream->call, &call->error);
    if (st != ST_OK) {
        session_drop(&call->connection->session, call);
        call_finish(call, st);
    }
    return 0; /* if the stream has ended, the next answer tells */
}

/* Wait for another answer, or the end. */
static void wait_for_answer(embd_push_stream *stream)
{
    struct call *call = &stream->call.call;
    uint64_t replies = call->replies;

    if (__builtin_add_overflow(clock_now_us(), stream->call.timeout_us, &call->deadline_us))
        call->deadline_us = CALL_FOREVER;
    while (!call->over && call->replies == replies)
        client_drive(stream->call.client, CALL_FOREVER);
    call->deadline_us = CALL_FOREVER;
}

int embd_push_stream_next(embd_push_stream *stream, char *error)
{
    struct call *call = &stream->call.call;
    struct error e;
    enum status st = ST_OK;

    if (!call->body.first)
        st = error_set(&e, ST_PRECONDITION, "no push is waiting for its answer");
    else if (!embd_push_stream_answered(stream) && !call->over)
        wait_for_answer(stream);
    if (st == ST_OK && !embd_push_stream_answered(stream))
        st = ended(&stream->call, &e);
    if (st == ST_OK) {
        mem_free(body_take(&call->body));
        stream->taken++;
    }
    return client_result(st, &e, error);
}

size_t embd_push_stream_in_flight(const embd_push_stream *stream)
{
    size_t n = 0;

    for (const struct parcel *p = stream->call.call.body.first; p; p = p->next)
        n++;
    return n;
}

size_t embd_push_stream_answered(const embd_push_stream *stream)
{
    return (size_t)(stream->call.call.replies - stream->taken);
}

int embd_push_stream_close(embd_push_stream *stream, char *error)
{
    struct call *call;
    struct error e;
    enum status st;

    if (!stream)
        return 0;
    call = &stream->call.call;
    call->body.open = false;
    if (!call->over) {
        st = transmit(&stream->call, &call->error);
        if (st != ST_OK) {
            session_drop(&call->connection->session, call);
            call_finish(call, st);
        }
    }
    while (!call->over)
        wait_for_answer(stream);
    st = call->status;
    e = call->error;
    if (st == ST_OK && stream->awaiting)
        st = ended(&stream->call, &e);
    embd_push_stream_cancel(stream);
    return client_result(st, &e, error);
}

void embd_push_stream_cancel(embd_push_stream *stream)
{
    if (stream)
        embd_call_cancel(&stream->call);
}
