/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind embdclient.h: a client, its connections and its calls in flight. One thread at
   a time; nothing runs between the caller's calls. */
#pragma once

#include "client/connection.h"
#include "client/reply_reader.h"

/* One that takes new calls, and others on which old calls come to an end. */
#define CONNECTIONS_MAX 16

struct embd_call {
    struct call call;
    embd_client *client;
    embd_call *next;
    uint64_t timeout_us; /* for the sentence */

    /* A unary call gathers its reply here, */
    unsigned char *reply;
    size_t reply_bytes;
    /* a lookup reads it with this. */
    struct reply_reader reader;
    size_t result_count;
    struct reply_result result[];
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

/* A call with room for `count` results and a body for a message of `n` bytes, which the caller
   fills behind the prefix. Ends with client_call_free(). */
MUST_CHECK enum status client_call_new(embd_call **out, embd_client *client, const char *path,
                                       size_t count, size_t n, uint64_t timeout_us,
                                       struct error *e);
void client_call_free(embd_call *call);
/* Send a call on its way. After a failure it is not in flight. */
MUST_CHECK enum status client_start(embd_client *client, embd_call *call, struct error *e);
/* Take a call off the client's list; one still in flight is cancelled. */
void client_remove(embd_client *client, embd_call *call);
/* Wait until something happens or the clock shows `until_us`, and do what there is to do. */
void client_drive(embd_client *client, uint64_t until_us);
void client_return_loans(embd_client *client);
