/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics as JSON, and times in words. No state. */
#include "client/embctl/stats_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/status.h"
#include "client/embctl/document.h"
#include "client/embctl/stats_training.h"

static void put_row(struct document *j, const Embd__V1__StatsRow *row)
{
    doc_object(j, NULL);
    doc_text(j, "table", row->table);
    doc_text(j, "call", row->call);
    doc_i64(j, "start", row->start);
    doc_u64(j, "seconds", row->seconds);
    doc_u64(j, "count", row->count);
    doc_u64(j, "ids", row->ids);
    doc_u64(j, "missing", row->missing);
    doc_u64(j, "hits", row->hits);
    doc_u64(j, "misses", row->misses);
    doc_object(j, "errors");
    for (size_t i = 0; i < row->n_errors; i++)
        doc_u64(j, status_name((enum status)row->errors[i]->status), row->errors[i]->count);
    doc_close(j);
    doc_real(j, "mean_us", row->mean_us);
    doc_real(j, "p50_us", row->p50_us);
    doc_real(j, "p90_us", row->p90_us);
    doc_real(j, "p99_us", row->p99_us);
    doc_real(j, "p999_us", row->p999_us);
    doc_real(j, "max_us", row->max_us);
    doc_array_flat(j, "buckets");
    for (size_t i = 0; i < row->n_buckets; i++)
        doc_u64(j, NULL, row->buckets[i]);
    doc_close(j);
    doc_close(j);
}

int stats_json(const Embd__V1__StatsResponse *s, int64_t from_s)
{
    struct document j;

    doc_begin(&j);
    doc_object(&j, NULL);
    doc_text(&j, "version", s->version);
    doc_u64(&j, "uptime_us", s->uptime_us);
    doc_i64(&j, "from", from_s);
    doc_i64(&j, "now", s->now);
    doc_array(&j, "rows");
    for (size_t i = 0; i < s->n_rows; i++)
        put_row(&j, s->rows[i]);
    doc_close(&j);
    doc_array_flat(&j, "bucket_us");
    for (size_t i = 0; i < s->n_bucket_us; i++)
        doc_u64(&j, NULL, s->bucket_us[i]);
    doc_close(&j);
    doc_array(&j, "memory");
    for (size_t i = 0; i < s->n_memory; i++) {
        const Embd__V1__MemoryRow *m = s->memory[i];

        doc_object(&j, NULL);
        doc_text(&j, "table", m->table[0] ? m->table : NULL);
        doc_i64(&j, "start", m->start);
        doc_u64(&j, "private_bytes", m->private_bytes);
        doc_u64(&j, "mapped_bytes", m->mapped_bytes);
        doc_u64(&j, "allocated_bytes", m->allocated_bytes);
        doc_u64(&j, "cache_bytes", m->cache_bytes);
        doc_close(&j);
    }
    doc_close(&j);
    json_training(&j, s);
    doc_close(&j);
    return doc_finish(&j);
}

const char *span_format(char out[32], uint64_t us)
{
    uint64_t s = us / 1000000;

    if (s >= 86400)
        snprintf(out, 32, "%u d %u h", (unsigned)(s / 86400), (unsigned)(s / 3600 % 24));
    else if (s >= 3600)
        snprintf(out, 32, "%u h %u min", (unsigned)(s / 3600), (unsigned)(s / 60 % 60));
    else if (s >= 60)
        snprintf(out, 32, "%u min %u s", (unsigned)(s / 60), (unsigned)(s % 60));
    else
        snprintf(out, 32, "%u s", (unsigned)s);
    return out;
}

const char *time_format(char *out, size_t room, int64_t at_s)
{
    time_t t = (time_t)at_s;
    struct tm tm;

    if (!localtime_r(&t, &tm) || !strftime(out, room, "%F %H:%M", &tm))
        snprintf(out, room, "%10" PRId64 " s", at_s); /* beyond the calendar */
    return out;
}
