/* SPDX-License-Identifier: Apache-2.0 */
/* What /metrics says of calls: how many by outcome, their ids, their latencies. Labels are names of
   tables, "*" or "?", and names of calls: none needs escaping. The main thread's. */
#include <event2/buffer.h>
#include <inttypes.h>

#include "daemon/control.h"
#include "daemon/counters.h"
#include "daemon/metrics.h"
#include "daemon/recorder.h"

/* Bounds of the histogram's buckets, powers of two so that each is a sum of whole fine buckets: 64
   us to 8.4 s. */
#define FIRST_BOUND 6
#define LAST_BOUND 23

/* Call `write` for each name and call that has counts. */
static void for_each(struct evbuffer *out, const struct recorder *r,
                     void (*write)(struct evbuffer *out, const char *table, unsigned call,
                                   const struct call_counts *c))
{
    struct call_counts counts;

    for (unsigned slot = 0; slot < recorder_slots(r); slot++) {
        const char *table = recorder_name(r, slot);

        for (unsigned call = 0; table && call < CALL_INDEX_COUNT; call++)
            if (recorder_totals(r, slot, call, &counts))
                write(out, table, call, &counts);
    }
}

static void write_codes(struct evbuffer *out, const char *table, unsigned call,
                        const struct call_counts *c)
{
    uint64_t bad = 0;

    for (unsigned i = 1; i < ST_COUNT; i++) {
        bad += c->errors[i];
        if (c->errors[i])
            evbuffer_add_printf(
                out, "embd_calls_total{table=\"%s\",call=\"%s\",code=\"%s\"} %" PRIu64 "\n", table,
                call_index_name(call), status_name((enum status)i), c->errors[i]);
    }
    evbuffer_add_printf(out, "embd_calls_total{table=\"%s\",call=\"%s\",code=\"OK\"} %" PRIu64 "\n",
                        table, call_index_name(call), c->count > bad ? c->count - bad : 0);
}

static void write_ids(struct evbuffer *out, const char *table, unsigned call,
                      const struct call_counts *c)
{
    if (call == CALL_LOOKUP)
        evbuffer_add_printf(out, "embd_lookup_ids_total{table=\"%s\"} %" PRIu64 "\n", table,
                            c->ids);
}

static void write_missing(struct evbuffer *out, const char *table, unsigned call,
                          const struct call_counts *c)
{
    if (call == CALL_LOOKUP)
        evbuffer_add_printf(out, "embd_lookup_missing_total{table=\"%s\"} %" PRIu64 "\n", table,
                            c->missing);
}

/* Only of tables that have had a cache. */
static void write_hits(struct evbuffer *out, const char *table, unsigned call,
                       const struct call_counts *c)
{
    if (c->hits + c->misses)
        evbuffer_add_printf(out, "embd_cache_hits_total{table=\"%s\"} %" PRIu64 "\n", table,
                            c->hits);
    (void)call;
}

static void write_misses(struct evbuffer *out, const char *table, unsigned call,
                         const struct call_counts *c)
{
    if (c->hits + c->misses)
        evbuffer_add_printf(out, "embd_cache_misses_total{table=\"%s\"} %" PRIu64 "\n", table,
                            c->misses);
    (void)call;
}

static void write_latency(struct evbuffer *out, const char *table, unsigned call,
                          const struct call_counts *c)
{
    const struct histogram *h = &c->latency;
    const char *name = call_index_name(call);
    uint64_t below = 0;
    unsigned fine = 0;

    for (unsigned bound = FIRST_BOUND; bound <= LAST_BOUND; bound++) {
        uint64_t us = UINT64_C(1) << bound;

        for (; fine < HISTOGRAM_BUCKETS && histogram_upper(fine) <= us; fine++)
            below += h->bucket[fine];
        evbuffer_add_printf(
            out,
            "embd_call_duration_seconds_bucket{table=\"%s\",call=\"%s\",le=\"%.6f\"} %" PRIu64 "\n",
            table, name, (double)us / 1e6, below);
    }
    for (; fine < HISTOGRAM_BUCKETS;
         fine++) /* the total is that of the buckets, whatever was read */
        below += h->bucket[fine];
    evbuffer_add_printf(
        out,
        "embd_call_duration_seconds_bucket{table=\"%s\",call=\"%s\",le=\"+Inf\"} %" PRIu64 "\n",
        table, name, below);
    evbuffer_add_printf(out, "embd_call_duration_seconds_sum{table=\"%s\",call=\"%s\"} %.6f\n",
                        table, name, (double)h->sum_us / 1e6);
    evbuffer_add_printf(out,
                        "embd_call_duration_seconds_count{table=\"%s\",call=\"%s\"} %" PRIu64 "\n",
                        table, name, below);
}

void metrics_calls(struct evbuffer *out, const struct control *control)
{
    const struct recorder *r = control->recorder;

    metrics_family(out, "calls_total", "counter",
                   "Calls that ended, by table (* none, ? unknown), call and status.");
    for_each(out, r, write_codes);
    metrics_family(out, "lookup_ids_total", "counter", "Ids that were looked up.");
    for_each(out, r, write_ids);
    metrics_family(out, "lookup_missing_total", "counter",
                   "Ids that were looked up and are not in the table.");
    for_each(out, r, write_missing);
    metrics_family(out, "cache_hits_total", "counter",
                   "Ids that were looked up whose row the table's cache had.");
    for_each(out, r, write_hits);
    metrics_family(out, "cache_misses_total", "counter",
                   "Ids that were looked up whose row had to be decoded, with a cache there.");
    for_each(out, r, write_misses);
    metrics_family(out, "call_duration_seconds", "histogram",
                   "Time from a call's headers to its end.");
    for_each(out, r, write_latency);
}
