/* SPDX-License-Identifier: Apache-2.0 */
/* What numbers alone do not say: whether they are the server's or the generator's. */
#include "client/load/notes.h"

#include <inttypes.h>

#include "base/text.h"

#define BUSY 0.9    /* share of a thread's time from which it is the generator that is measured */
#define WAITED 0.01 /* share of calls that may find all streams busy without a word */
#define LATE_US 1000.0 /* of the 99th percentile of calls: sent so late */
#define OVERTIME 0.05  /* share of the time by which answers may come after it */

static struct error *add(struct load_notes *notes)
{
    return &notes->note[notes->count++]; /* each kind once: NOTES_MAX are enough */
}

static void note_open_loop(struct load_notes *notes, const struct load_plan *plan,
                           const struct load_result *r)
{
    const struct tally *t = &r->tally;
    double late_us = histogram_quantile(&t->lateness, 0.99);
    double planned_s = (double)plan->duration_ns / 1e9;
    char text[32];

    if ((double)t->waited > WAITED * (double)t->lateness.count)
        error_set(add(notes), ST_OK,
                  "%.0f%% of the calls found all streams busy when they were due; the wait is in "
                  "their latency",
                  100.0 * (double)t->waited / (double)t->lateness.count);
    else if (late_us > LATE_US)
        error_set(
            add(notes), ST_OK,
            "the generator sent one call in a hundred %s late or later; that is in the latency",
            format_duration(text, late_us));
    if (plan->duration_ns && !r->stopped && r->seconds > planned_s * (1 + OVERTIME))
        error_set(add(notes), ST_OK, "the last answer came %s after the last call was due",
                  format_duration(text, (r->seconds - planned_s) * 1e6));
}

void load_notes(struct load_notes *notes, const struct load_plan *plan, const struct load_result *r)
{
    const struct tally *t = &r->tally;
    char count[32];

    notes->count = 0;
    if (r->stopped)
        error_set(add(notes), ST_OK, "stopped early");
    if (r->client_busy > BUSY)
        error_set(add(notes), ST_OK,
                  "the generator's threads were busy %.0f%% of the time: the numbers may be its "
                  "own limits, try more --threads",
                  100 * r->client_busy);
    if (plan->rate > 0)
        note_open_loop(notes, plan, r);
    if (t->stream_limit < plan->streams)
        error_set(add(notes), ST_OK,
                  "the server takes %" PRIu32 " streams a connection: further calls waited here",
                  t->stream_limit);
    if (t->lost)
        error_set(add(notes), ST_OK, "connections broke %s times and were made anew",
                  format_count(count, t->lost));
    if (t->missing)
        error_set(add(notes), ST_OK, "%.1f%% of the ids were unknown to their tables%s",
                  100.0 * (double)t->missing / (double)t->ids,
                  plan->by_key ? ", which are asked by keys: give them in a --trace" : "");
}

enum status load_verdict(const struct load_result *r, struct error *e)
{
    const struct tally *t = &r->tally;
    uint64_t calls = t->good + tally_errors(t);
    char bad[32], all[32];

    if (!calls)
        return error_set(e, ST_UNAVAILABLE, "no call was due in the time that was measured");
    if (!tally_errors(t))
        return ST_OK;
    format_count(bad, tally_errors(t));
    format_count(all, calls);
    if (t->wrong)
        return error_set(e, ST_INTERNAL, "%s of %s calls failed; a wrong reply: %s", bad, all,
                         t->wrong_first.text);
    for (int st = 0; st < ST_COUNT; st++)
        if (t->by_status[st])
            return error_set(e, st, "%s of %s calls failed; %s: %s", bad, all, status_name(st),
                             t->first[st].text);
    return ST_OK;
}
