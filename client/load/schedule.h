/* SPDX-License-Identifier: Apache-2.0 */
/* When the calls of an open loop are due, whatever the server does: at a fixed rate, or as a
   Poisson process. Each thread has its share: of a fixed rate every T-th call, of a Poisson process
   one with a T-th of the rate (together they are one of the whole rate). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "client/load/random.h"

struct schedule {
    uint64_t start_ns;
    double gap_ns; /* between this thread's calls, on average */
    double at_ns;  /* since start_ns: the next call */
    uint64_t turn; /* number of the next call */
    double offset; /* of the first call, in gaps */
    bool poisson;
    struct random random;
};

/* `rate` is calls a second over all threads, above 0. */
void schedule_init(struct schedule *s, double rate, bool poisson, uint64_t start_ns, uint64_t seed,
                   unsigned thread, unsigned threads);
/* When the next call is due, on the clock of start_ns. */
uint64_t schedule_due(const struct schedule *s);
/* Go on to the call after it. */
void schedule_advance(struct schedule *s);
