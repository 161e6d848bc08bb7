/* SPDX-License-Identifier: Apache-2.0 */
/* What /metrics says of pushes, refused pushes, snapshots and the log. Refusals are told by status
   and reason; those of each trainer, of which there may be any number, are in stats.db. The main
   thread's. */
#include <event2/buffer.h>
#include <inttypes.h>

#include "base/clock.h"
#include "daemon/control.h"
#include "daemon/metrics.h"
#include "daemon/recorder.h"
#include "daemon/recorder_training.h"
#include "daemon/server.h"
#include "table/catalog.h"

/* ---- Trainable tables ---- */

static const struct {
    const char *name, *help;
    size_t at; /* in struct training_sums */
} sums[] = {
#define SUM(field) offsetof(struct training_sums, field)
    {"pushes_total", "Pushes that changed a table.", SUM(pushes)},
    {"push_ids_total", "Ids in pushes, repeats included.", SUM(ids)},
    {"push_rows_total", "Different rows in each push, summed over pushes.", SUM(rows)},
    {"push_skipped_ids_total", "Unknown ids that pushes left out.", SUM(skipped)},
    {"push_kept_elements_total", "Elements that stayed as they were, not to become infinite.",
     SUM(kept)},
    {"push_saturated_elements_total", "Elements cut off at the largest value of their type.",
     SUM(saturated)},
    {"push_clipped_rows_total", "Rows whose gradient was shortened to clip_norm.", SUM(clipped)},
    {"push_changed_bytes_total", "Bytes written to parameters and states of optimizers.",
     SUM(changed_bytes)},
    {"admitted_ids_total", "Unknown ids that got a row of a table that grows.", SUM(admitted)},
    {"evicted_ids_total", "Ids that lost it, since no push named them.", SUM(evicted)},
    {"crowded_ids_total", "Times that an id was due for a row and there was none.", SUM(crowded)},
    {"snapshots_total", "Snapshots that were finished.", SUM(snapshots)},
    {"snapshot_written_bytes_total", "Size of the snapshots that were finished.",
     SUM(snapshot_bytes)},
#undef SUM
};

static void write_sums(struct evbuffer *out, const struct control *control)
{
    const struct catalog *c = control->catalog;

    for (size_t m = 0; m < sizeof sums / sizeof *sums; m++) {
        metrics_family(out, sums[m].name, "counter", sums[m].help);
        for (size_t i = 0; i < c->count; i++) {
            struct training_sums s;

            if (!c->entry[i]->gauges)
                continue;
            recorder_training(control->recorder, c->entry[i], &s);
            evbuffer_add_printf(out, "embd_%s{table=\"%s\"} %" PRIu64 "\n", sums[m].name,
                                c->entry[i]->name,
                                *(const uint64_t *)((const char *)&s + sums[m].at));
        }
    }
}

enum training_gauge {
    GAUGE_VERSION,
    GAUGE_AGE,
    GAUGE_BYTES,
    GAUGE_SAVE,
    GAUGE_PAUSE,
    GAUGE_MEMORY,
    GAUGE_USED,
    GAUGES
};

static const struct {
    const char *name, *help;
} gauges[GAUGES] = {
    [GAUGE_VERSION] = {"table_snapshot_version", "Version of the table's newest snapshot."},
    [GAUGE_AGE] = {"table_snapshot_age_seconds", "Time since the newest snapshot was taken."},
    [GAUGE_BYTES] = {"table_snapshot_bytes", "Size of the files that make up the newest snapshot."},
    [GAUGE_SAVE] = {"table_save_seconds", "Time that the last snapshot took."},
    [GAUGE_PAUSE] = {"table_save_pause_seconds", "Time for which it held up pushes."},
    [GAUGE_MEMORY] = {"table_training_bytes", "Memory that training takes beside the table's own."},
    [GAUGE_USED] = {"table_rows_used", "Rows of a table that grows that are not spare."},
};

/* False if there is nothing to say yet. */
static bool gauge_value(const struct entry *entry, enum training_gauge which, int64_t now_us,
                        double *value)
{
    const struct training_gauges *g = entry->gauges;
    uint64_t taken_us = g->snapshot_us;

    switch (which) {
    case GAUGE_VERSION:
        *value = (double)g->snapshot_version;
        return taken_us != 0;
    case GAUGE_AGE:
        *value = now_us > (int64_t)taken_us ? (double)(now_us - (int64_t)taken_us) / 1e6 : 0;
        return taken_us != 0;
    case GAUGE_BYTES:
        *value = (double)g->snapshot_bytes;
        return taken_us != 0;
    case GAUGE_SAVE:
        *value = (double)g->save_us / 1e6;
        return g->snapshots != 0;
    case GAUGE_PAUSE:
        *value = (double)g->save_pause_us / 1e6;
        return g->snapshots != 0;
    case GAUGE_MEMORY:
        *value = (double)g->memory_bytes;
        return true;
    case GAUGE_USED:
        *value = (double)g->used_rows;
        return entry->table->grows;
    case GAUGES:
        break;
    }
    return false;
}

static bool is_time(enum training_gauge which)
{
    return which == GAUGE_AGE || which == GAUGE_SAVE || which == GAUGE_PAUSE;
}

static void write_gauges(struct evbuffer *out, const struct catalog *c)
{
    int64_t now_us = clock_wall_us();
    double value;

    for (unsigned m = 0; m < GAUGES; m++) {
        metrics_family(out, gauges[m].name, "gauge", gauges[m].help);
        for (size_t i = 0; i < c->count; i++)
            if (c->entry[i]->gauges &&
                gauge_value(c->entry[i], (enum training_gauge)m, now_us, &value))
                evbuffer_add_printf(out, "embd_%s{table=\"%s\"} %.*f\n", gauges[m].name,
                                    c->entry[i]->name, is_time((enum training_gauge)m) ? 6 : 0,
                                    value);
    }
}

/* ---- All of the daemon ---- */

static bool alike(const struct refusal *a, const struct refusal *b)
{
    return a->status == b->status && a->reason == b->reason;
}

static void write_refusals(struct evbuffer *out, const struct control *control)
{
    const struct refusal *r;
    size_t n = recorder_refusals(control->recorder, &r);

    metrics_family(out, "pushes_refused_total", "counter",
                   "Pushes that were refused, by status and reason.");
    for (size_t i = 0; i < n; i++) {
        uint64_t count = r[i].count;
        bool counted = false;

        for (size_t k = 0; k < i && !counted; k++)
            counted = alike(&r[k], &r[i]);
        if (counted)
            continue;
        for (size_t k = i + 1; k < n; k++)
            count += alike(&r[k], &r[i]) ? r[k].count : 0;
        evbuffer_add_printf(out,
                            "embd_pushes_refused_total{code=\"%s\",reason=\"%s\"} %" PRIu64 "\n",
                            status_name(r[i].status), r[i].reason, count);
    }
}

static void write_log(struct evbuffer *out, const struct server *server)
{
    struct log_state log = log_state_now(server);
    const struct opening *opening = &server->opening;

    metrics_whole(out, "log_rows", "gauge", "Changes that the log holds.", log.rows);
    metrics_whole(out, "log_bytes", "gauge", "Bytes of these.", log.bytes);
    metrics_whole(out, "log_disk_bytes", "gauge", "Size of log.db and its -wal.", log.disk_bytes);
    metrics_whole(out, "queued_push_bytes", "gauge", "Memory of pushes that are not answered yet.",
                  log.queued_bytes);
    metrics_real(out, "replay_seconds", "gauge",
                 "Time that the start took to bring tables up to date from the log.",
                 (double)opening->replay_us / 1e6);
    metrics_whole(out, "replay_rows", "gauge", "Rows of the log that were read for that.",
                  opening->replayed);
}

void metrics_training(struct evbuffer *out, const struct control *control)
{
    write_log(out, control->server);
    write_refusals(out, control);
    write_sums(out, control);
    write_gauges(out, control->catalog);
}
