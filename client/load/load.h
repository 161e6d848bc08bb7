/* SPDX-License-Identifier: Apache-2.0 */
/* A load from begin to end: threads, connections, warm-up, measurement, sum. */
#pragma once

#include "client/load/plan.h"
#include "client/load/tally.h"

struct load_result {
    struct tally tally;
    double seconds; /* from the first measured call until the time was over and all had ended */
    bool stopped;   /* early, as whoever watched wanted it */
    double client_cpu_us, client_busy; /* a call; share of the threads' time */
    int server_pid;                    /* 0: not known */
    double server_cpu_us;              /* a call; below 0: not known */
};

/* Told several times a second: how much of the measured part is done (0 to 1; 0 while warming up),
   and how many measured calls have ended. The load ends early when it answers false. */
struct load_watch {
    bool (*told)(void *context, double part, uint64_t calls);
    void *context;
};

/* Run the load; blocks until it is over. When it ends early, calls in flight are waited for. Errors
   of calls are counted; the run itself fails if the server cannot be connected to, or is gone for
   longer than a call's time. `watch` may be NULL. */
MUST_CHECK enum status load_measure(struct load_result *result, const struct load_plan *plan,
                                    const struct load_watch *watch, struct error *e);
