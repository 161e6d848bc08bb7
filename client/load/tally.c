/* SPDX-License-Identifier: Apache-2.0 */
/* Counting and adding up; a tally has one owner at a time. */
#include "client/load/tally.h"

#include <string.h>

static uint64_t to_us(uint64_t ns)
{
    return (ns + 500) / 1000;
}

void tally_init(struct tally *t)
{
    memset(t, 0, sizeof *t);
    t->stream_limit = UINT32_MAX;
}

void tally_good(struct tally *t, uint64_t ids, uint64_t missing, uint64_t bytes, uint64_t took_ns)
{
    t->good++;
    t->ids += ids;
    t->missing += missing;
    t->reply_bytes += bytes;
    histogram_add(&t->latency, to_us(took_ns));
}

void tally_wrong(struct tally *t, const struct error *why)
{
    if (!t->wrong++)
        t->wrong_first = *why;
}

void tally_failed(struct tally *t, enum status st, const struct error *why, uint64_t took_ns)
{
    t->failed++;
    if (!t->by_status[st]++)
        t->first[st] = *why;
    if (st == ST_DEADLINE)
        histogram_add(&t->latency, to_us(took_ns));
}

void tally_late(struct tally *t, uint64_t late_ns, bool waited)
{
    histogram_add(&t->lateness, to_us(late_ns));
    t->waited += waited;
}

void tally_add(struct tally *into, const struct tally *from)
{
    into->good += from->good;
    if (!into->wrong)
        into->wrong_first = from->wrong_first;
    into->wrong += from->wrong;
    into->failed += from->failed;
    for (int i = 0; i < ST_COUNT; i++) {
        if (!into->by_status[i])
            into->first[i] = from->first[i];
        into->by_status[i] += from->by_status[i];
    }
    into->ids += from->ids;
    into->missing += from->missing;
    into->reply_bytes += from->reply_bytes;
    histogram_merge(&into->latency, &from->latency);
    histogram_merge(&into->lateness, &from->lateness);
    into->waited += from->waited;
    into->finished += from->finished;
    into->lost += from->lost;
    if (into->last_ns < from->last_ns)
        into->last_ns = from->last_ns;
    if (into->stream_limit > from->stream_limit)
        into->stream_limit = from->stream_limit;
}

uint64_t tally_errors(const struct tally *t)
{
    return t->wrong + t->failed;
}
