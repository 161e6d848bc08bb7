/* SPDX-License-Identifier: Apache-2.0 */
/* One connection's place in a load: the connection, which is made anew when it ends, and a slot for
   each call that may be in flight on it. Owned by its worker.

     slot: free .. in flight .. answered .. free        (answered: within one step alone) */
#pragma once

#include "client/connection.h"
#include "client/load/reply.h"
#include "client/load/request.h"

struct worker;

struct slot {
    struct call call;
    struct lane *lane;
    struct slot *next;          /* free, or answered */
    struct slot *older, *newer; /* in flight, in the worker's list */
    bool in_flight;
    bool wrong; /* the reply is not the answer */
    struct request *request;
    struct bytes piece; /* of the parcel: the request as it is */
    struct parcel parcel;
    uint64_t due_ns, answered_ns;
    struct reply_check check;
};

struct lane {
    struct worker *worker;
    struct connection *connection; /* NULL: down until retry_ns */
    uint64_t retry_ns;
    int fd; /* as epoll knows it; -1: not at all */
    uint32_t events;
    struct slot *slots, *free, *answered;
    size_t slot_count, in_flight;
    struct lane *next_ready, *next_dirty; /* in the worker's lists */
    bool ready, dirty;
};

/* `slots` are zeroed and stay the caller's. */
void lane_init(struct lane *l, struct worker *worker, struct slot *slots, size_t count);
/* Begin to connect. */
MUST_CHECK enum status lane_open(struct lane *l, uint64_t now_ns, struct error *e);
void lane_close(struct lane *l);
/* Whether a call can be sent here now. */
bool lane_takes_calls(const struct lane *l);
/* Put a call into a free slot and its connection's queue. The request is the slot's until the call
   has ended. After a failure the slot is free and the request the caller's. */
MUST_CHECK enum status lane_send(struct slot **out, struct lane *l, struct request *request,
                                 uint64_t due_ns, struct error *e);
/* Give up a call in flight. */
void lane_abandon(struct slot *slot, enum status status);
/* Do what epoll's answer allows. Calls that have ended go to worker_call_ended(). */
void lane_step(struct lane *l, uint32_t events, uint64_t now_ns);
/* Write what waits. */
void lane_flush(struct lane *l);
