/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind embdclient.h: a client, its connections and its calls in flight. One thread at
   a time; nothing runs between the caller's calls. */
#pragma once

#include "client/connection.h"
#include "client/reply_reader.h"

/* One that takes new calls, and others on which old calls come to an end. */
#define CONNECTIONS_MAX 16

/* A message of a call's: the prefix and what is small in memory of its own, large arrays where the
   caller has them. */
struct letter {
    struct parcel parcel;
    /* Of a push: what the answer to it fills. */
    embd_push *push; /* [count] */
    size_t count;
    embd_push_result *result; /* or NULL */

    struct bytes *piece; /* for the message to be filled in; the prefix has one before it */
    unsigned char *head; /* room for what the pieces do not leave where it is */
};

struct embd_call {
    struct call call;
    embd_client *client;
    embd_call *next;
    uint64_t timeout_us; /* for the sentence */

    /* A unary call or a push gathers its reply here, */
    unsigned char *reply;
    size_t reply_bytes;
    /* a lookup reads it with this. */
    struct reply_reader reader;
    size_t result_count;
    struct reply_result *result;
};

/* Pushes on their way: the letters of its call are those whose answers nobody has taken. */
struct embd_push_stream {
    embd_call call;
    struct parcel *awaiting; /* the first that is not answered */
    uint64_t taken;          /* answers */
};

struct embd_client {
    struct address address;
    uint64_t timeout_us; /* CALL_FOREVER: none */
    uint64_t connect_us;
    uint64_t reply_max;
    struct connection *connections; /* newest first; new calls go to the first */
    embd_call *calls;               /* started and not ended by wait or cancel, newest first */
    embd_call *lenders;             /* ended, but their rows are still lent to the caller */
};

/* Room for a message of `bytes`, of which `head` bytes and `pieces` pieces are to be filled in.
   Yours (mem_free) until it is a call's. ST_EXHAUSTED if gRPC cannot carry it. */
MUST_CHECK enum status letter_new(struct letter **out, size_t bytes, size_t head, size_t pieces,
                                  struct error *e);
/* A call, in a struct of `size` bytes that begins with it, which sends `letter` (NULL: nothing
   yet). Ends with client_call_free(). */
MUST_CHECK enum status client_call_new(embd_call **out, embd_client *client, const char *path,
                                       size_t size, struct letter *letter, uint64_t timeout_us,
                                       struct error *e);
void client_call_free(embd_call *call);
/* Send a call on its way. After a failure it is not in flight. */
MUST_CHECK enum status client_start(embd_client *client, embd_call *call, struct error *e);
/* Whether a call has ended, or a stream has an answer that nobody has taken. */
bool client_call_ready(const embd_call *call);
/* Take a call off the client's list; one still in flight is cancelled. */
void client_remove(embd_client *client, embd_call *call);
/* Wait until something happens or the clock shows `until_us`, and do what there is to do. */
void client_drive(embd_client *client, uint64_t until_us);
void client_return_loans(embd_client *client);

/* For a call whose reply is gathered in `reply`: the first two parts of its sink. */
enum status client_reply_begin(void *context, uint32_t length, struct error *e);
enum status client_reply_add(void *context, const unsigned char *data, size_t n, struct error *e);

/* The end of every public function that may fail. */
int client_result(enum status st, const struct error *e, char *error);
/* -1 means none, 0 means `fallback`. */
uint64_t client_microseconds(int64_t ms, uint64_t fallback);

/* Pack a push and note where its answer goes. */
MUST_CHECK enum status push_letter(struct letter **out, embd_push *pushes, size_t count,
                                   const embd_push_options *options, embd_push_result *result,
                                   struct error *e);
/* Read the answer that was gathered in call->reply into what the letter names. */
MUST_CHECK enum status push_answer(const embd_call *call, const struct letter *letter,
                                   struct error *e);
