/* SPDX-License-Identifier: Apache-2.0 */
/* embctl stats: what the daemon counted: calls, ids, errors, latency, pushes, memory. */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/embctl/commands.h"
#include "client/embctl/latency.h"
#include "client/embctl/print.h"
#include "client/embctl/remote.h"
#include "client/embctl/stats_json.h"
#include "client/embctl/stats_training.h"

static const struct option_decl options[] = {
    {"last", 'l', "TIME", "how far back, such as 10m, 1h or 7d (1h)"},
    {"span", 0, "SPAN", "one row for each minute, hour, or the total (total)"},
    {"call", 0, "NAME", "only this call, such as Lookup"},
    {"histogram", 'H', NULL, "draw the latencies of each row"},
};

#define DAY 10 /* characters of a date */

static struct latency latency_of(const Embd__V1__StatsResponse *s, const Embd__V1__StatsRow *row)
{
    size_t n = row->n_buckets < s->n_bucket_us ? row->n_buckets : s->n_bucket_us;

    return (struct latency){s->bucket_us, row->buckets, n};
}

/* The levels that any row uses, so that all sparks have the same axis. */
static void find_axis(const Embd__V1__StatsResponse *s, unsigned *first, unsigned *last)
{
    *first = LEVELS - 1;
    *last = 0;
    for (size_t i = 0; i < s->n_rows; i++) {
        struct latency l = latency_of(s, s->rows[i]);
        uint64_t level[LEVELS];

        latency_levels(&l, level);
        for (unsigned k = 0; k < LEVELS; k++)
            if (level[k]) {
                *first = k < *first ? k : *first;
                *last = k > *last ? k : *last;
            }
    }
}

static uint64_t error_count(const Embd__V1__StatsRow *row)
{
    uint64_t n = 0;

    for (size_t i = 0; i < row->n_errors; i++)
        n += row->errors[i]->count;
    return n;
}

static void print_rows(const Embd__V1__StatsResponse *s, bool times)
{
    char axis[80], from[32], to[32], text[128];
    struct column columns[] = {
        {"", false},   {"table", false},  {"call", false},  {"calls", true}, {"/s", true},
        {"ids", true}, {"unknown", true}, {"errors", true}, {"mean", true},  {"p50", true},
        {"p90", true}, {"p99", true},     {"p99.9", true},  {"max", true},   {axis, false},
    };
    unsigned first, last;
    struct sheet sheet;

    find_axis(s, &first, &last);
    snprintf(axis, sizeof axis, "%s … %s",
             level_lower(first) ? format_duration(from, (double)level_lower(first)) : "0",
             format_duration(to, (double)level_lower(last + 1)));
    columns[0].title = times ? "from" : "";
    sheet_init(&sheet, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < s->n_rows; i++) {
        const Embd__V1__StatsRow *row = s->rows[i];
        const double us[] = {row->mean_us, row->p50_us,  row->p90_us,
                             row->p99_us,  row->p999_us, row->max_us};
        uint64_t errors = error_count(row), level[LEVELS];
        struct latency l = latency_of(s, row);

        latency_levels(&l, level);
        sheet_text(&sheet, times ? time_format(text, sizeof text, row->start) : "");
        sheet_style(&sheet, STYLE_BOLD);
        sheet_text(&sheet, row->table);
        sheet_text(&sheet, row->call);
        sheet_count(&sheet, row->count);
        sheet_format(&sheet, "%.*f", row->count < 100 * (uint64_t)row->seconds,
                     row->seconds ? (double)row->count / row->seconds : 0);
        sheet_count(&sheet, row->ids);
        sheet_count(&sheet, row->missing);
        sheet_style(&sheet, errors ? STYLE_RED : STYLE_NONE);
        sheet_count(&sheet, errors);
        for (size_t k = 0; k < sizeof us / sizeof *us; k++)
            sheet_us(&sheet, us[k]);
        sheet_style(&sheet, STYLE_CYAN);
        sheet_text(&sheet, latency_spark(text, level, first, last));
    }
    sheet_print(&sheet, 0, "");
    sheet_done(&sheet);
}

/* Of tables with a cache of decoded rows: how often it had the row. */
static void print_caches(const Embd__V1__StatsResponse *s, bool times)
{
    struct column columns[] = {
        {"", false}, {"cache", false}, {"hits", true}, {"misses", true}, {"of ids", true}};
    struct sheet sheet;
    char text[32];

    columns[0].title = times ? "from" : "";
    sheet_init(&sheet, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < s->n_rows; i++) {
        const Embd__V1__StatsRow *row = s->rows[i];

        if (!(row->hits + row->misses))
            continue;
        sheet_text(&sheet, times ? time_format(text, sizeof text, row->start) : "");
        sheet_style(&sheet, STYLE_BOLD);
        sheet_text(&sheet, row->table);
        sheet_count(&sheet, row->hits);
        sheet_count(&sheet, row->misses);
        sheet_format(&sheet, "%.2f %%",
                     100 * (double)row->hits / (double)(row->hits + row->misses));
    }
    if (sheet.cells) {
        putchar('\n');
        sheet_print(&sheet, 0, "");
    }
    sheet_done(&sheet);
}

static void print_errors(const Embd__V1__StatsResponse *s, bool times)
{
    static const struct column columns[] = {
        {"", false}, {"table", false}, {"call", false}, {"error", false}, {"calls", true}};
    struct sheet sheet;
    char text[32];

    sheet_init(&sheet, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < s->n_rows; i++)
        for (size_t k = 0; k < s->rows[i]->n_errors; k++) {
            const Embd__V1__StatusCount *error = s->rows[i]->errors[k];

            sheet_text(&sheet, times ? time_format(text, sizeof text, s->rows[i]->start) : "");
            sheet_style(&sheet, STYLE_BOLD);
            sheet_text(&sheet, s->rows[i]->table);
            sheet_text(&sheet, s->rows[i]->call);
            sheet_style(&sheet, STYLE_RED);
            sheet_text(&sheet, status_name((enum status)error->status));
            sheet_count(&sheet, error->count);
        }
    if (sheet.cells) {
        putchar('\n');
        sheet_print(&sheet, 0, "");
    }
    sheet_done(&sheet);
}

static void print_memory(const Embd__V1__StatsResponse *s)
{
    static const struct column columns[] = {
        {"memory", false}, {"private", true}, {"mapped", true}, {"caches", true}};
    struct sheet sheet;
    char text[32];

    if (!s->n_memory)
        return;
    putchar('\n');
    sheet_init(&sheet, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < s->n_memory; i++) {
        const Embd__V1__MemoryRow *m = s->memory[i];

        sheet_style(&sheet, m->table[0] ? STYLE_BOLD : STYLE_NONE);
        if (m->table[0] || !m->allocated_bytes)
            sheet_text(&sheet, m->table[0] ? m->table : "the daemon, resident");
        else
            sheet_format(&sheet, "the daemon, resident (%s allocated)",
                         format_bytes(text, m->allocated_bytes));
        sheet_bytes(&sheet, m->private_bytes);
        sheet_bytes(&sheet, m->mapped_bytes);
        sheet_bytes(&sheet, m->cache_bytes);
    }
    sheet_print(&sheet, 0, "");
    sheet_done(&sheet);
}

static void print_histograms(const Embd__V1__StatsResponse *s, bool times)
{
    char count[32], at[32];

    for (size_t i = 0; i < s->n_rows; i++) {
        const Embd__V1__StatsRow *row = s->rows[i];
        const double quantile[] = {row->p50_us, row->p90_us, row->p99_us, row->p999_us};
        struct latency l = latency_of(s, row);
        uint64_t level[LEVELS];

        putchar('\n');
        print_heading("%s%s%s %s, %s call%s", times ? time_format(at, sizeof at, row->start) : "",
                      times ? "  " : "", row->table, row->call, format_count(count, row->count),
                      row->count == 1 ? "" : "s");
        latency_levels(&l, level);
        latency_draw(level, quantile);
    }
}

static int print_people(const struct arguments *a, const Embd__V1__StatsResponse *s, bool times,
                        int64_t from_s)
{
    char from[32], to[32], up[32];

    time_format(from, sizeof from, from_s);
    time_format(to, sizeof to, s->now);
    /* The day is said once when it is the same: "2026-01-31 10:00 to 11:00". */
    printf("%s%s to %s, embd ", style(STYLE_DIM), from,
           strncmp(from, to, DAY) == 0 ? to + DAY + 1 : to);
    print_safe(s->version);
    printf(" up for %s%s\n\n", span_format(up, s->uptime_us), style(STYLE_NONE));
    if (s->n_rows)
        print_rows(s, times);
    else
        printf("no calls\n");
    print_errors(s, times);
    print_caches(s, times);
    if (option_value(a, "histogram"))
        print_histograms(s, times);
    print_training(s, times);
    print_growth(s, times);
    print_refusals(s, times);
    print_log(s);
    print_memory(s);
    return finish_output();
}

static int run(const struct arguments *a)
{
    static const char *const spans[] = {"total", "minute", "hour"};
    const char *last = option_value(a, "last"), *span = option_value(a, "span"),
               *call = option_value(a, "call");
    Embd__V1__StatsRequest request = EMBD__V1__STATS_REQUEST__INIT;
    Embd__V1__StatsResponse *s;
    uint64_t last_us = UINT64_C(3600000000);
    struct remote r = {0};
    unsigned which = 0;
    int done;

    if (last && (!parse_duration(last, &last_us) || !last_us))
        return usage_error(a, "--last: %s is no time such as 10m or 1h", QUOTE(last));
    while (span && which < 3 && strcmp(span, spans[which]) != 0)
        which++;
    if (which == 3)
        return usage_error(a, "--span: %s is not minute, hour or total", QUOTE(span));
    if (a->operand_count)
        request.table = (char *)(uintptr_t)a->operand[0];
    if (call)
        request.call = (char *)(uintptr_t)call;
    request.from = clock_wall_s() - (int64_t)(last_us / 1000000);
    request.from -= request.from % 60; /* rows begin with a minute */
    request.span = (Embd__V1__StatsSpan)which;
    request.histogram = request.memory = request.training = true;
    done = remote_ask(&r, a, "/embd.v1.Stats/Query", &request.base,
                      &embd__v1__stats_response__descriptor, &s);
    if (done == EXIT_DONE)
        done = a->json ? stats_json(s, request.from) : print_people(a, s, which != 0, request.from);
    remote_close(&r);
    return done;
}

const struct command command_stats = {
    .name = "stats",
    .operands = "[TABLE]",
    .help = "Show calls, errors, latency, pushes and memory",
    .more = "The table \"?\" stands for names that no table has, \"*\" for calls about none. Of "
            "training, "
            "kept are the\nelements that stayed as they were, not to become infinite; unsaved the "
            "pushes "
            "that the newest snapshot\ndoes not have; pause how long a snapshot held pushes up; "
            "written "
            "the bytes of snapshots for each byte\nthat pushes changed.\n",
    .remote = true,
    .operands_most = 1,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .run = run,
};
