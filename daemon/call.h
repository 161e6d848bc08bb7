/* SPDX-License-Identifier: Apache-2.0 */
/* One gRPC call, from its request headers to its trailers. It belongs to the worker that owns its
   connection, and everything here is called on that worker's thread. Other threads name a call by
   {worker, id} and send mail; call_find() tells whether it is still there.

     headers → message(s) → [half close] → reply | fail | send…finish → done
                     peer reset, deadline, lost connection ────────────→ done

   After `done` the service has no part in the call any more; what is left of the answer goes out by
   itself, however slowly the peer reads. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/block.h"
#include "base/status.h"

struct call;
struct worker;

/* A method of a service, as data. */
struct rpc {
    const char *path; /* "/embd.v1.Embedding/Lookup" */
    const char *name; /* "Lookup": in statistics and logs */
    unsigned index;   /* place in the counters, see counters.h */
    bool client_streams, server_streams;
    /* A whole request message of `n` bytes at `data`: any alignment, never NULL, and good until the
       call ends (if client_streams, until return at the latest). For a unary call it comes when the
       client has sent everything. Ends, now or later, in call_reply(), call_fail(), or call_send()s
       and call_finish(). */
    void (*message)(struct call *call, const unsigned char *data, size_t n);
    /* The client has sent all its messages (client_streams only). May be NULL. */
    void (*half_close)(struct call *call);
    /* The call is over with this status, whoever ended it; called exactly once for each call whose
       headers came whole and whose path was found, also when it was refused before any message.
       Comes from within call_reply(), call_fail() and call_finish(), or from the loop. The place to
       stop work, to count, and to let go of `state`; nothing may be sent any more, and the arena
       dies afterwards. May be NULL. */
    void (*done)(struct call *call, enum status st);
};

struct call {
    const struct rpc *rpc;
    struct worker *worker;
    uint64_t id;          /* unique in the worker, never 0 */
    uint64_t start_us;    /* when the request's headers came */
    uint64_t deadline_us; /* clock_now_us() time, 0: none */
    struct arena arena;   /* dies with the call; its cap grows with the request: see CALL_ARENA */
    void *state;          /* the service's */
};

/* What a call's arena may hold: this much, and four times the bytes of its request. A service that
   builds more from its own data raises arena.cap itself. */
#define CALL_ARENA ((size_t)4 << 20)

/* A block of `n` message bytes behind the five bytes of gRPC's prefix, which is filled in; write
   the message at block->data + GRPC_PREFIX. NULL when out of memory. */
struct block *call_message_new(size_t n);

/* The first piece of a message of `n` bytes that is handed over in pieces, so that it goes out
   while the rest is being made: a block with room for GRPC_PREFIX and `room` bytes, of which the
   prefix is written (block->size). The other pieces are blocks of message bytes alone. */
struct block *call_message_begin(size_t n, size_t room);

/* Count `bytes` for this call against max_inflight_bytes, before a large reply is allocated; false
   (and not counted) if that would pass the limit. The count is for the reply: call_reply() and
   call_send() hand it over to the messages, and what is left goes when the call ends. */
bool call_charge(struct call *call, uint64_t bytes);

/* Answer a unary call; takes over the reference to `message` (from call_message_new()). Ends the
   call: `done` runs before this returns, and afterwards `call` and the request are gone. */
void call_reply(struct call *call, struct block *message);
/* End the call with a status other than ST_OK and its sentence; `done` runs before this returns.
   What call_send() took goes out first. */
void call_fail(struct call *call, enum status st, const struct error *e);
/* One message of a streaming answer, or the next piece of a message; takes over the reference.
   Messages are counted against max_inflight_bytes until they are sent, but never refused here. The
   last message has to be whole before call_finish(); call_fail() in the middle of it takes back
   what has not left, and resets the stream if some of a message has. */
void call_send(struct call *call, struct block *message);
/* Bytes sent with call_send() that the connection has not taken yet. */
size_t call_unsent(const struct call *call);
/* For calls with client_streams: hold further messages back, or go on with them. What the client
   sends meanwhile is bounded by flow control. */
void call_pause(struct call *call, bool paused);
/* End a streaming call with ST_OK; `done` runs before this returns. */
void call_finish(struct call *call);

/* The call of that id if it is still there, else NULL. */
struct call *call_find(struct worker *worker, uint64_t id);
