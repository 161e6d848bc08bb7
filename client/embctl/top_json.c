/* SPDX-License-Identifier: Apache-2.0 */
/* One frame of embctl top as JSON. */
#include "base/memory.h"
#include "client/embctl/document.h"
#include "client/embctl/info.h"
#include "client/embctl/print.h"
#include "client/embctl/top_rates.h"

static void put_rates(struct document *j, const struct rates *r)
{
    doc_real(j, "calls_per_s", r->calls);
    doc_real(j, "ids_per_s", r->ids);
    doc_real(j, "errors_per_s", r->errors);
    doc_real(j, "pushes_per_s", r->pushes);
    if (r->hit_percent >= 0)
        doc_real(j, "hit_percent", r->hit_percent);
    doc_real(j, "p50_us", latency_quantile(&r->latency, 0.5));
    doc_real(j, "p99_us", latency_quantile(&r->latency, 0.99));
}

int top_json(const struct top *t)
{
    const struct sample *now = top_at(t, 0), *before = top_at(t, 1);
    struct rates *r = need(sizeof *r);
    struct document j;

    doc_begin(&j);
    doc_object(&j, NULL);
    doc_text(&j, "version", now->stats->version);
    doc_u64(&j, "uptime_us", now->stats->uptime_us);
    doc_real(&j, "seconds", (double)(now->time_us - before->time_us) / 1e6);
    rates_between(r, now, before, NULL);
    put_rates(&j, r);
    for (size_t i = 0; i < now->stats->n_memory; i++)
        if (!now->stats->memory[i]->table[0])
            doc_u64(&j, "resident_bytes", now->stats->memory[i]->private_bytes);
    if (now->stats->log)
        doc_u64(&j, "log_bytes", now->stats->log->bytes);
    doc_array(&j, "tables");
    for (size_t i = 0; i < now->list->n_tables; i++) {
        doc_object(&j, NULL);
        json_table_info(&j, now->list->tables[i]);
        rates_between(r, now, before, now->list->tables[i]->name);
        put_rates(&j, r);
        doc_close(&j);
    }
    doc_close(&j);
    doc_close(&j);
    mem_free(r);
    return doc_finish(&j);
}
