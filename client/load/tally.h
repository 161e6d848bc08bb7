/* SPDX-License-Identifier: Apache-2.0 */
/* What a load has seen: one tally for each thread, added up at the end. Counts are of measured
   calls, which are those that were due after the warm-up, unless said otherwise. */
#pragma once

#include <stdbool.h>

#include "base/histogram.h"
#include "base/status.h"

struct tally {
    uint64_t good;   /* answered OK with the right reply */
    uint64_t wrong;  /* answered OK with a reply that is not the answer */
    uint64_t failed; /* all others */
    uint64_t by_status[ST_COUNT];
    struct error wrong_first, first[ST_COUNT]; /* the first sentence of each kind */
    uint64_t ids, missing, reply_bytes;        /* of the good ones */

    /* From the moment a call is due to its answer: the good ones, and those whose time ran out. */
    struct histogram latency;
    struct histogram lateness; /* of an open loop: from due until handed to a connection */
    uint64_t waited;           /* of those, found all streams busy */

    uint64_t last_ns;  /* when the last call ended */
    uint64_t finished; /* all calls that ended after the warm-up, also those that began within */
    uint64_t lost;     /* connections that broke */
    uint32_t stream_limit; /* the smallest that the server has set */
};

void tally_init(struct tally *t);
void tally_good(struct tally *t, uint64_t ids, uint64_t missing, uint64_t bytes, uint64_t took_ns);
void tally_wrong(struct tally *t, const struct error *why);
/* A call whose time ran out enters the latencies with the time that was waited in vain. */
void tally_failed(struct tally *t, enum status st, const struct error *why, uint64_t took_ns);
void tally_late(struct tally *t, uint64_t late_ns, bool waited);
void tally_add(struct tally *into, const struct tally *from);
/* Calls that went wrong in any way. */
uint64_t tally_errors(const struct tally *t);
