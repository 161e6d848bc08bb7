/* SPDX-License-Identifier: Apache-2.0 */
/* Differences of counters. A daemon that was restarted begins anew: what has fallen counts as 0. */
#include "client/embctl/top_rates.h"

#include <string.h>

const struct sample *top_at(const struct top *t, size_t back)
{
    if (back >= t->samples || back >= SAMPLES)
        return NULL;
    return &t->sample[(t->samples - 1 - back) % SAMPLES];
}

struct totals {
    uint64_t calls, ids, errors, pushes, hits, misses, bucket[RATE_BUCKETS];
};

static void add_up(struct totals *sum, const struct sample *s, const char *name)
{
    memset(sum, 0, sizeof *sum);
    for (size_t i = 0; i < s->stats->n_rows; i++) {
        const Embd__V1__StatsRow *row = s->stats->rows[i];

        if (name && strcmp(row->table, name) != 0)
            continue;
        sum->calls += row->count;
        sum->ids += row->ids;
        sum->hits += row->hits;
        sum->misses += row->misses;
        for (size_t k = 0; k < row->n_errors; k++)
            sum->errors += row->errors[k]->count;
        for (size_t k = 0; k < row->n_buckets && k < RATE_BUCKETS; k++)
            sum->bucket[k] += row->buckets[k];
    }
    for (size_t i = 0; i < s->stats->n_training; i++)
        if (!name || !strcmp(s->stats->training[i]->table, name))
            sum->pushes += s->stats->training[i]->pushes;
}

static uint64_t since(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

void rates_between(struct rates *r, const struct sample *now, const struct sample *before,
                   const char *name)
{
    double seconds = (double)(now->time_us - before->time_us) / 1e6;
    uint64_t hits, misses;
    struct totals a, b;
    size_t n = now->stats->n_bucket_us;

    add_up(&a, now, name);
    add_up(&b, before, name);
    seconds = seconds > 0 ? seconds : 1;
    r->calls = (double)since(a.calls, b.calls) / seconds;
    r->ids = (double)since(a.ids, b.ids) / seconds;
    r->errors = (double)since(a.errors, b.errors) / seconds;
    r->pushes = (double)since(a.pushes, b.pushes) / seconds;
    hits = since(a.hits, b.hits);
    misses = since(a.misses, b.misses);
    r->hit_percent = hits + misses ? 100 * (double)hits / (double)(hits + misses) : -1;
    n = n < RATE_BUCKETS ? n : RATE_BUCKETS;
    for (size_t i = 0; i < n; i++) {
        r->bound[i] = now->stats->bucket_us[i];
        r->bucket[i] = since(a.bucket[i], b.bucket[i]);
    }
    r->latency = (struct latency){r->bound, r->bucket, n};
}
