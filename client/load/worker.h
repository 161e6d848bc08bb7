/* SPDX-License-Identifier: Apache-2.0 */
/* One thread of a load: its connections, its calls in flight, its share of the schedule and its
   tally. While the load runs, threads share nothing but the word to stop. worker.c has the loop,
   sender.c what is sent and what becomes of it. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "client/load/lane.h"
#include "client/load/schedule.h"
#include "client/load/tally.h"

/* What all threads read. What has no other rule is constant once the gate is open. */
struct load_run {
    const struct load_plan *plan;
    struct address address;
    atomic_bool stopped; /* to end early */
    atomic_bool broken;  /* some thread could not go on */

    uint64_t start_ns;         /* the first call */
    uint64_t begin_ns, end_ns; /* calls that are due in between are measured */

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    unsigned connected, finished; /* threads that came to the gate, that are through */
    bool open, cancelled;
};

struct worker {
    struct load_run *run;
    const struct load_plan *plan;
    pthread_t thread;
    unsigned number;
    int epoll;
    bool running; /* connected, and under load */

    struct lane *lanes;
    size_t lane_count;
    struct slot *slots;
    struct lane *ready_first, **ready_last; /* have a free slot; taken in turn */
    struct lane *dirty;                     /* have something to write */
    bool unwell;                            /* some lane is down or connecting */
    uint64_t look_ns;                       /* when to look after those */
    uint64_t alive_ns;                      /* when a lane was last seen open */

    struct slot *oldest, *newest; /* in flight, in the order in which they were due */
    struct request_maker maker;
    struct request *prepared; /* written ahead, while there is nothing else to do */
    struct request *spare;
    struct schedule schedule;
    uint64_t calls; /* measured ones that this thread may still begin */
    bool ended;     /* no call will be due any more */
    bool behind;    /* calls are due for which there was no stream */

    struct tally tally;
    _Atomic uint64_t done; /* measured calls that ended, for a display */
    enum status status;    /* why this thread could not go on; the sentence is in `error` */
    struct error error;
};

/* Prepare thread `number` of the run, which outlives it. Release with worker_done(), also after a
   failure. */
MUST_CHECK enum status worker_init(struct worker *w, struct load_run *run, unsigned number,
                                   struct error *e);
void worker_done(struct worker *w);
/* The thread: connect, wait at the gate, load. `w` is the argument and the result. */
void *worker_main(void *w);
/* Unless `st` is ST_OK, the thread cannot go on; w->error says why. The first reason counts. */
void worker_fail(struct worker *w, enum status st);

/* Send what is due. */
void worker_send(struct worker *w, uint64_t now_ns);
/* Write the next request, if there is none in stock. */
bool worker_prepare(struct worker *w);
/* Give up the calls whose time is over. */
void worker_expire(struct worker *w, uint64_t now_ns);

/* From lanes: a call is over, with its outcome in slot->call (and its request comes back); a lane
   may take calls again; it has something to write; it has lost its connection, by a fault if `why`.
 */
void worker_call_ended(struct slot *slot, uint64_t now_ns);
void worker_lane_ready(struct lane *l);
void worker_lane_dirty(struct lane *l);
void worker_lane_lost(struct lane *l, const struct error *why);
