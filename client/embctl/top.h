/* SPDX-License-Identifier: Apache-2.0 */
/* What embctl top looks at: samples of the daemon's counters, and a frame that shows how they
 * moved. */
#pragma once

#include "client/embctl/remote.h"
#include "proto/embd.pb-c.h"

#define SAMPLES 6  /* rates and latencies are those of the last five intervals */
#define HISTORY 20 /* intervals in the line of past rates */

/* One answer of the daemon and when it came. */
struct sample {
    uint64_t time_us; /* clock_now_us() */
    struct arena arena;
    Embd__V1__ListResponse *list;
    Embd__V1__StatsResponse *stats;
};

/* Past rates of one table. */
struct history {
    char name[129];
    double rate[HISTORY]; /* newest last */
};

struct top {
    struct remote remote;
    const char *address;
    int64_t from_s; /* begin of the time that the daemon sums up */
    struct sample sample[SAMPLES];
    size_t samples; /* taken so far; the newest is at (samples - 1) % SAMPLES */
    struct history *history;
    size_t histories;
    struct error error; /* of the last attempt, if `failed` */
    bool failed;
};

/* Ask the daemon. On failure the older samples stay. */
MUST_CHECK enum status top_sample(struct top *t, struct error *e);
void top_done(struct top *t);
/* Print the frame: at most `height` lines (0: all), `clear` being printed before each line's end.
 */
void top_frame(const struct top *t, unsigned height, const char *clear);
/* The last two samples as one JSON document. Returns the exit status. */
int top_json(const struct top *t);
