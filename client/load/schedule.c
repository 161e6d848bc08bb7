/* SPDX-License-Identifier: Apache-2.0 */
/* Times of a fixed rate come from the number of the call and not from a running sum, so that they
   do not drift. A double holds nanoseconds exactly for a hundred days. */
#include "client/load/schedule.h"

#define STREAM_SCHEDULE (UINT64_C(2) << 32) /* no stream that ids are drawn from */

void schedule_init(struct schedule *s, double rate, bool poisson, uint64_t start_ns, uint64_t seed,
                   unsigned thread, unsigned threads)
{
    *s = (struct schedule){
        .start_ns = start_ns,
        .gap_ns = 1e9 * threads / rate,
        .offset = (double)thread / threads,
        .poisson = poisson,
    };
    random_init(&s->random, seed, STREAM_SCHEDULE + thread);
    s->at_ns = s->gap_ns * (poisson ? random_exponential(&s->random) : s->offset);
}

uint64_t schedule_due(const struct schedule *s)
{
    return s->start_ns + (uint64_t)s->at_ns;
}

void schedule_advance(struct schedule *s)
{
    s->turn++;
    if (s->poisson)
        s->at_ns += s->gap_ns * random_exponential(&s->random);
    else
        s->at_ns = s->gap_ns * ((double)s->turn + s->offset);
}
