/* SPDX-License-Identifier: Apache-2.0 */
/* The report of `embctl bench` for programs: what was asked for and what was measured, in the units
   that the names say. */
#include "client/embctl/bench.h"
#include "client/embctl/document.h"
#include "client/load/notes.h"

static void write_plan(struct document *j, const struct load_plan *plan)
{
    doc_object(j, "load");
    doc_text(j, "server", plan->server);
    doc_array(j, "tables");
    for (size_t i = 0; i < plan->tables; i++) {
        doc_object(j, NULL);
        doc_text(j, "name", plan->table[i].name);
        doc_u64(j, "rows", plan->table[i].rows);
        doc_u64(j, "dim", plan->table[i].dim);
        doc_bool(j, "trace", plan->table[i].trace.data);
        doc_close(j);
    }
    doc_close(j);
    doc_u64(j, "ids", plan->ids);
    doc_text(j, "distribution", plan->distribution == IDS_ZIPF ? "zipf" : "uniform");
    if (plan->distribution == IDS_ZIPF)
        doc_real(j, "exponent", plan->exponent);
    doc_text(j, "pooling", bench_poolings[plan->pooling]);
    if (plan->pooling) {
        doc_u64(j, "bag_min", plan->bag_min);
        doc_u64(j, "bag_max", plan->bag_max);
    }
    doc_text(j, "format", bench_formats[plan->format]);
    doc_u64(j, "seed", plan->seed);
    doc_u64(j, "threads", plan->threads);
    doc_u64(j, "connections", plan->connections);
    doc_u64(j, "streams", plan->streams);
    if (plan->rate > 0) {
        doc_real(j, "rate", plan->rate);
        doc_bool(j, "poisson", plan->poisson);
    }
    doc_real(j, "warmup_seconds", (double)plan->warmup_ns / 1e9);
    doc_real(j, "timeout_seconds", (double)plan->timeout_ns / 1e9);
    doc_close(j);
}

static void write_error(struct document *j, const char *name, uint64_t count, const char *first)
{
    if (!count)
        return;
    doc_object(j, name);
    doc_u64(j, "count", count);
    doc_text(j, "first", first);
    doc_close(j);
}

static void write_errors(struct document *j, const struct tally *t)
{
    doc_u64(j, "failed", tally_errors(t));
    doc_object(j, "errors");
    write_error(j, "wrong_reply", t->wrong, t->wrong_first.text);
    for (int st = 0; st < ST_COUNT; st++)
        write_error(j, status_name(st), t->by_status[st], t->first[st].text);
    doc_close(j);
}

/* Buckets are [from, below, calls], the empty ones left out. */
static void write_histogram(struct document *j, const char *name, const struct histogram *h,
                            bool buckets)
{
    doc_object(j, name);
    doc_u64(j, "count", h->count);
    doc_real(j, "mean_us", h->count ? (double)h->sum_us / (double)h->count : 0);
    doc_real(j, "p50_us", histogram_quantile(h, 0.5));
    doc_real(j, "p90_us", histogram_quantile(h, 0.9));
    doc_real(j, "p99_us", histogram_quantile(h, 0.99));
    doc_real(j, "p999_us", histogram_quantile(h, 0.999));
    doc_u64(j, "max_us", h->max_us);
    if (buckets)
        doc_array(j, "buckets");
    for (unsigned i = 0; buckets && i < HISTOGRAM_BUCKETS; i++) {
        if (!h->bucket[i])
            continue;
        doc_array_flat(j, NULL);
        doc_u64(j, NULL, histogram_lower(i));
        doc_u64(j, NULL, histogram_upper(i));
        doc_u64(j, NULL, h->bucket[i]);
        doc_close(j);
    }
    if (buckets)
        doc_close(j);
    doc_close(j);
}

int bench_json(const struct bench *b, const struct load_result *r)
{
    const struct tally *t = &r->tally;
    double per_s = r->seconds > 0 ? 1 / r->seconds : 0;
    struct load_notes notes;
    struct document j;

    doc_begin(&j);
    doc_object(&j, NULL);
    write_plan(&j, &b->plan);
    doc_real(&j, "seconds", r->seconds);
    doc_bool(&j, "stopped", r->stopped);
    doc_u64(&j, "calls", t->good);
    doc_u64(&j, "ids", t->ids);
    doc_u64(&j, "unknown_ids", t->missing);
    doc_u64(&j, "received_bytes", t->reply_bytes);
    doc_real(&j, "calls_per_second", (double)t->good * per_s);
    doc_real(&j, "ids_per_second", (double)t->ids * per_s);
    doc_real(&j, "received_bytes_per_second", (double)t->reply_bytes * per_s);
    write_errors(&j, t);
    doc_u64(&j, "connections_lost", t->lost);
    write_histogram(&j, "latency", &t->latency, true);
    if (b->plan.rate > 0) {
        write_histogram(&j, "sent_late", &t->lateness, false);
        doc_u64(&j, "found_streams_busy", t->waited);
    }
    doc_real(&j, "client_cpu_us", r->client_cpu_us);
    doc_real(&j, "client_busy", r->client_busy);
    if (r->server_cpu_us >= 0) {
        doc_real(&j, "server_cpu_us", r->server_cpu_us);
        doc_i64(&j, "server_pid", r->server_pid);
    }
    load_notes(&notes, &b->plan, r);
    doc_array(&j, "notes");
    for (unsigned i = 0; i < notes.count; i++)
        doc_text(&j, NULL, notes.note[i].text);
    doc_close(&j);
    doc_close(&j);
    return doc_finish(&j);
}
