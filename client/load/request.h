/* SPDX-License-Identifier: Apache-2.0 */
/* LookupRequests of a load, each with fresh ids, written straight into the buffer that is sent. A
   maker belongs to one thread. */
#pragma once

#include "base/status.h"
#include "client/load/plan.h"

/* A request ready to be sent: the gRPC prefix, the message, and the rows that each table's answer
   must have. The bodies of one maker all fit each other's room. */
struct request {
    struct request *next; /* in a list of its owner's */
    size_t bytes;
    uint32_t *rows; /* one a table */
    unsigned char *body;
};

struct request_maker {
    const struct load_plan *plan;
    struct id_source *source; /* one a table */
    struct random random;     /* for the lengths of bags */
    uint32_t *offsets;        /* room for those of one table */
    size_t room;              /* bytes that a body takes at most */
};

/* ST_INVALID if a request would be larger than gRPC can carry. Release with request_maker_done(),
   also after a failure. */
MUST_CHECK enum status request_maker_init(struct request_maker *m, const struct load_plan *plan,
                                          unsigned thread, struct error *e);
void request_maker_done(struct request_maker *m);
/* Room for a request; NULL when out of memory. Yours (mem_free). */
struct request *request_new(const struct request_maker *m);
/* Write the next request over whatever was there. */
void request_write(struct request_maker *m, struct request *r);
