/* SPDX-License-Identifier: Apache-2.0 */
/* One gRPC call as the client sees it: the request, how much of it is sent, the rules that a reply
   has to keep (reply headers, one message, a status), and the outcome. A stream may send and get
   any number of messages. No I/O: session.c feeds it.

     waiting .. sent .. headers .. message .. status        (call_finish() from anywhere: over) */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "client/body.h"
#include "proto/grpc.h"

#define CALL_HEADER_BYTES_MAX                                                                      \
    16384                       /* name + value + 32 of each reply header, twice gRPC's advice */
#define CALL_FOREVER UINT64_MAX /* a deadline that never comes */

/* Where the bytes of the reply go as they arrive. `begin` comes first, again if the call is sent
   again; the pieces of one message follow in order, `length` bytes in all. `end` comes when the
   call has ended well; of a stream, behind each message. */
struct reply_sink {
    enum status (*begin)(void *context, uint32_t length, struct error *e);
    enum status (*add)(void *context, const unsigned char *data, size_t n, struct error *e);
    enum status (*end)(void *context, struct error *e);
    void *context;
};

struct connection;

struct call {
    /* Set by the maker. */
    const char *path; /* "/embd.v1.Embedding/Lookup" */
    struct body body;
    bool streaming;
    uint64_t deadline_us; /* on clock_now_us(), or CALL_FOREVER */
    uint64_t reply_max;   /* bytes of the reply's message */
    struct reply_sink sink;

    /* Owned by connection.c and session.c. */
    struct connection *connection; /* NULL: on none */
    int32_t stream;
    bool unsent;  /* the request never left */
    bool refused; /* not processed, as the server says: safe to send again */
    bool again;   /* was sent again already */

    /* The reply so far. */
    int http_status;
    bool grpc_content, has_status;
    enum status reply_status;
    struct error reply_message;
    size_t header_bytes;
    unsigned char prefix[GRPC_PREFIX];
    unsigned prefix_bytes;
    uint32_t length;
    uint64_t received;
    bool whole;       /* the message is complete */
    uint64_t replies; /* of a stream: complete messages */

    bool over;
    enum status status;
    struct error error;
};

/* Forget the reply so far: before the call is sent, and before it is sent again. */
void call_rewind(struct call *call);
/* End the call; unless ST_OK, the sentence is in call->error. Of several ends the first counts, so
   the sentence is only written while the call is not over. */
void call_finish(struct call *call, enum status status);

/* What comes in. Each may end the call (`over`), with a status of its own if a rule was broken. */
void call_header(struct call *call, const char *name, size_t name_bytes, const char *value,
                 size_t value_bytes);
void call_headers_end(struct call *call);
void call_data(struct call *call, const unsigned char *data, size_t n);
void call_end(struct call *call);                        /* END_STREAM */
void call_reset(struct call *call, uint32_t error_code); /* the stream is gone */
