/* SPDX-License-Identifier: Apache-2.0 */
/* The pages of the HTTP address, save what is about calls. The main thread's. */
#include "daemon/metrics.h"

#include <event2/buffer.h>
#include <inttypes.h>

#include "base/clock.h"
#include "daemon/control.h"
#include "daemon/process.h"
#include "daemon/recorder.h"
#include "daemon/server.h"
#include "daemon/table_info.h"
#include "daemon/worker.h"
#include "kernels/kernels.h"

bool metrics_ready(struct evbuffer *out, const struct control *control)
{
    const struct server *server = control->server;
    bool ready = true;
    char text[128];

    if (atomic_load(&server->draining)) {
        evbuffer_add_printf(out, "the daemon is stopping\n");
        ready = false;
    } else if (!atomic_load(&server->ready)) {
        evbuffer_add_printf(out, "the daemon is starting: %s\n",
                            opening_text(&server->opening, text, sizeof text));
        ready = false;
    }
    if (control->log_troubled) {
        evbuffer_add_printf(out, "nothing can be pushed, loaded or unloaded: %s\n",
                            control->log_trouble.text);
        ready = false;
    }
    if (ready)
        evbuffer_add_printf(out, "ready\n");
    /* The rest is served all the same. */
    if (recorder_failing(control->recorder))
        evbuffer_add_printf(out, "statistics cannot be written, see the log\n");
    for (size_t i = 0; i < control->catalog->count; i++) {
        const struct entry *entry = control->catalog->entry[i];
        const char *trouble = entry_trouble(entry);

        if (trouble)
            evbuffer_add_printf(out, "table %s is damaged: %s\n", entry->name, trouble);
    }
    return ready;
}

void metrics_family(struct evbuffer *out, const char *name, const char *type, const char *help)
{
    evbuffer_add_printf(out, "# HELP embd_%s %s\n# TYPE embd_%s %s\n", name, help, name, type);
}

void metrics_whole(struct evbuffer *out, const char *name, const char *type, const char *help,
                   uint64_t value)
{
    metrics_family(out, name, type, help);
    evbuffer_add_printf(out, "embd_%s %" PRIu64 "\n", name, value);
}

void metrics_real(struct evbuffer *out, const char *name, const char *type, const char *help,
                  double value)
{
    metrics_family(out, name, type, help);
    evbuffer_add_printf(out, "embd_%s %.6f\n", name, value);
}

static void write_daemon(struct evbuffer *out, const struct control *c)
{
    const struct server *server = c->server;
    uint64_t lsn = atomic_load(&server->lsn);

    metrics_family(out, "build_info", "gauge", "Version of the daemon and instruction set in use.");
    evbuffer_add_printf(out, "embd_build_info{version=\"%s\",isa=\"%s\"} 1\n", PACKAGE_VERSION,
                        kernels->isa);
    metrics_real(out, "uptime_seconds", "gauge", "Time since the start.",
                 (double)(clock_now_us() - server->start_us) / 1e6);
    metrics_whole(out, "ready", "gauge", "1 while the daemon serves, 0 while it starts or stops.",
                  atomic_load(&server->ready) && !atomic_load(&server->draining));
    metrics_whole(out, "log_trouble", "gauge",
                  "1 if log.db cannot be written, so that changes are refused.", c->log_troubled);
    metrics_whole(out, "log_position", "gauge", "Position in the log of the last change served.",
                  lsn > c->catalog->lsn ? lsn : c->catalog->lsn);
    metrics_whole(out, "catalog_number", "counter",
                  "Number of the catalog: changes of it since the start.", c->catalog->number);
    metrics_whole(out, "statistics_trouble", "gauge",
                  "1 while statistics cannot be written to stats.db.",
                  recorder_failing(c->recorder));
}

static void write_process(struct evbuffer *out)
{
    struct process_usage u;

    process_look(&u);
    metrics_whole(out, "process_resident_memory_bytes", "gauge",
                  "Memory of the process, mapped files too.", u.resident_bytes);
    metrics_whole(out, "process_allocated_bytes", "gauge", "Memory handed out by the allocator.",
                  u.allocated_bytes);
    metrics_whole(out, "process_open_files", "gauge", "Open file descriptors.", u.open_files);
    metrics_whole(out, "process_max_open_files", "gauge", "Most file descriptors that may be open.",
                  u.most_open_files);
    metrics_real(out, "process_cpu_seconds_total", "counter", "Processor time, user and system.",
                 u.cpu_s);
    metrics_whole(out, "process_major_page_faults_total", "counter",
                  "Page faults that had to wait for the disk.", u.major_faults);
}

static void write_connections(struct evbuffer *out, const struct server *server)
{
    uint64_t connections = 0, streams = 0, inflight = 0;

    for (unsigned i = 0; i < server->worker_count; i++) {
        connections += atomic_load(&server->worker[i]->connection_count);
        streams += atomic_load(&server->worker[i]->stream_count);
        inflight += atomic_load(&server->worker[i]->inflight_bytes);
    }
    metrics_whole(out, "workers", "gauge", "Threads that serve connections.", server->worker_count);
    metrics_whole(out, "connections", "gauge", "Open gRPC connections.", connections);
    metrics_whole(out, "streams", "gauge", "Calls under way.", streams);
    metrics_whole(out, "inflight_bytes", "gauge", "Bytes of requests and unsent replies.",
                  inflight);
    metrics_whole(out, "connections_total", "counter", "Connections that were accepted.",
                  atomic_load(&server->connections_total));
    metrics_whole(out, "connections_refused_total", "counter",
                  "Connections that were closed at once, for want of room.",
                  atomic_load(&server->connections_refused));
    metrics_whole(out, "connections_cut_total", "counter",
                  "Connections that were ended because the peer misbehaved.",
                  atomic_load(&server->connections_cut));
}

/* ---- Tables. Their names need no escaping: see table_name_valid(). ---- */

enum table_metric {
    METRIC_DAMAGED,
    METRIC_VERSION,
    METRIC_ROWS,
    METRIC_PARAMETERS,
    METRIC_PRIVATE,
    METRIC_MAPPED,
    METRIC_CACHE
};

static const struct {
    const char *name, *help;
} table_metrics[] = {
    [METRIC_DAMAGED] = {"table_damaged",
                        "1 if the table cannot be served, because its file is damaged."},
    [METRIC_VERSION] = {"table_version", "Version of the table."},
    [METRIC_ROWS] = {"table_rows", "Rows of the table."},
    [METRIC_PARAMETERS] = {"table_parameter_bytes",
                           "Bytes of the parameters of the table's method."},
    [METRIC_PRIVATE] = {"table_private_bytes", "Memory that the table has of its own."},
    [METRIC_MAPPED] = {"table_mapped_bytes", "Bytes of the table's file that are mapped."},
    [METRIC_CACHE] = {"table_cache_bytes", "Memory of the table's caches of decoded rows."},
};

static uint64_t table_value(const struct entry *entry, enum table_metric metric)
{
    uint64_t private_bytes = 0, mapped_bytes = 0;

    if (metric == METRIC_DAMAGED)
        return entry_trouble(entry) != NULL;
    if (metric == METRIC_VERSION)
        return entry->version;
    if (metric == METRIC_CACHE)
        return entry_cache_bytes(entry);
    if (!entry->table)
        return 0;
    table_memory(entry->table, &private_bytes, &mapped_bytes);
    return metric == METRIC_ROWS         ? entry->table->rows
           : metric == METRIC_PARAMETERS ? entry->table->bytes
           : metric == METRIC_PRIVATE    ? private_bytes
                                         : mapped_bytes;
}

static void write_tables(struct evbuffer *out, const struct catalog *c)
{
    uint64_t damaged = 0;

    for (size_t i = 0; i < c->count; i++)
        damaged += table_value(c->entry[i], METRIC_DAMAGED);
    metrics_whole(out, "tables", "gauge", "Tables that are served, damaged ones too.", c->count);
    metrics_whole(out, "tables_damaged", "gauge", "Tables that cannot be served.", damaged);
    metrics_family(out, "table_info", "gauge", "1 for each table, with its method and dimension.");
    for (size_t i = 0; i < c->count; i++)
        if (c->entry[i]->table)
            evbuffer_add_printf(
                out, "embd_table_info{table=\"%s\",method=\"%s\",dim=\"%" PRIu32 "\"} 1\n",
                c->entry[i]->name, c->entry[i]->table->method->name, c->entry[i]->table->dim);
    for (unsigned m = 0; m < sizeof table_metrics / sizeof *table_metrics; m++) {
        metrics_family(out, table_metrics[m].name, "gauge", table_metrics[m].help);
        for (size_t i = 0; i < c->count; i++)
            evbuffer_add_printf(out, "embd_%s{table=\"%s\"} %" PRIu64 "\n", table_metrics[m].name,
                                c->entry[i]->name, table_value(c->entry[i], (enum table_metric)m));
    }
}

void metrics_write(struct evbuffer *out, const struct control *control)
{
    write_daemon(out, control);
    write_process(out);
    write_connections(out, control->server);
    write_tables(out, control->catalog);
    metrics_calls(out, control);
    metrics_training(out, control);
}
