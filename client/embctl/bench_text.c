/* SPDX-License-Identifier: Apache-2.0 */
/* The report of `embctl bench` for people. */
#include <inttypes.h>

#include "base/text.h"
#include "client/embctl/bench.h"
#include "client/embctl/print.h"
#include "client/load/notes.h"

#define LABEL 9     /* columns of the labels */
#define BARS_MAX 20 /* lines of the histogram */
#define BAR_COLUMNS 40

static const struct {
    const char *name;
    double fraction;
} quantiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};
#define QUANTILES (sizeof quantiles / sizeof quantiles[0])

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static void print_plan(const struct load_plan *plan, double seconds)
{
    char law[40] = "uniform", bags[64] = "", rate[64] = "closed loop", count[32], length[32];

    print_pair(LABEL, "server", "%s", plan->server);
    for (size_t i = 0; i < plan->tables; i++)
        print_pair(LABEL, i ? "" : "tables", "%s, %s x %" PRIu32 "%s", plan->table[i].name,
                   format_count(count, plan->table[i].rows), plan->table[i].dim,
                   plan->table[i].trace.data ? ", ids from a trace" : "");
    if (plan->distribution == IDS_ZIPF)
        snprintf(law, sizeof law, "Zipf(%g)", plan->exponent);
    if (plan->pooling && plan->bag_min == plan->bag_max)
        snprintf(bags, sizeof bags, ", %s of bags of %" PRIu32, bench_poolings[plan->pooling],
                 plan->bag_min);
    else if (plan->pooling)
        snprintf(bags, sizeof bags, ", %s of bags of %" PRIu32 " to %" PRIu32,
                 bench_poolings[plan->pooling], plan->bag_min, plan->bag_max);
    print_pair(LABEL, "request", "%s fresh %s id%s%s, rows in %s%s", format_count(count, plan->ids),
               law, plural(plan->ids), plan->tables > 1 ? " of each table" : "",
               bench_formats[plan->format], bags);
    if (plan->rate > 0)
        snprintf(rate, sizeof rate, "open loop, %g calls/s%s", plan->rate,
                 plan->poisson ? " (Poisson)" : "");
    print_pair(LABEL, "load", "%s, %zu connection%s of %zu stream%s, %u thread%s", rate,
               plan->connections, plural(plan->connections), plan->streams, plural(plan->streams),
               plan->threads, plural(plan->threads));
    print_pair(LABEL, "measured", "%s after %s of warm-up", format_duration(length, seconds * 1e6),
               format_duration(count, (double)plan->warmup_ns / 1e3));
}

static void print_rates(const struct load_result *r)
{
    static const struct column columns[] = {
        {"", false}, {"total", true}, {"per second", true}, {"", false}};
    const struct tally *t = &r->tally;
    const uint64_t counts[] = {t->good, t->ids};
    double per_s = r->seconds > 0 ? 1 / r->seconds : 0;
    struct sheet s;

    sheet_init(&s, columns, 4);
    for (int i = 0; i < 2; i++) {
        sheet_text(&s, i ? "ids" : "calls");
        sheet_count(&s, counts[i]);
        sheet_style(&s, STYLE_BOLD);
        sheet_count(&s, (uint64_t)((double)counts[i] * per_s + 0.5));
        sheet_text(&s, "");
    }
    sheet_text(&s, "received");
    sheet_format(&s, "%.1f MB", (double)t->reply_bytes / 1e6);
    sheet_format(&s, "%.1f MB", (double)t->reply_bytes / 1e6 * per_s);
    sheet_text(&s, "");
    if (tally_errors(t))
        sheet_style(&s, STYLE_RED);
    sheet_text(&s, "failed");
    sheet_count(&s, tally_errors(t));
    sheet_count(&s, (uint64_t)((double)tally_errors(t) * per_s + 0.5));
    sheet_text(&s, "");
    for (int st = -1; st < ST_COUNT; st++) {
        uint64_t n = st < 0 ? t->wrong : t->by_status[st];

        if (!n)
            continue;
        sheet_text(&s, "");
        sheet_count(&s, n);
        sheet_text(&s, "");
        sheet_format(&s, "%s: %s", st < 0 ? "wrong reply" : status_name(st),
                     st < 0 ? t->wrong_first.text : t->first[st].text);
    }
    sheet_print(&s, 0, "");
    sheet_done(&s);
}

static void add_latency(struct sheet *s, const char *label, const struct histogram *h)
{
    sheet_text(s, label);
    for (size_t i = 0; i < QUANTILES; i++)
        sheet_us(s, histogram_quantile(h, quantiles[i].fraction));
    sheet_us(s, (double)h->max_us);
    sheet_us(s, h->count ? (double)h->sum_us / (double)h->count : 0);
}

static void print_latencies(const struct load_plan *plan, const struct tally *t)
{
    static const struct column columns[] = {{"", false},   {"p50", true},   {"p90", true},
                                            {"p99", true}, {"p99.9", true}, {"max", true},
                                            {"mean", true}};
    struct sheet s;

    sheet_init(&s, columns, 7);
    add_latency(&s, "latency", &t->latency);
    if (plan->rate > 0)
        add_latency(&s, "sent late", &t->lateness);
    sheet_print(&s, 0, "");
    sheet_done(&s);
}

/* The names of the percentiles that lie in a line. */
static void print_marks(const struct histogram *h, unsigned line, unsigned step)
{
    for (size_t i = 0; i < QUANTILES; i++)
        if (histogram_index((uint64_t)histogram_quantile(h, quantiles[i].fraction)) / step == line)
            printf("  %s%s%s", style(STYLE_YELLOW), quantiles[i].name, style(STYLE_NONE));
    putchar('\n');
}

/* Calls in the buckets of one line. */
static uint64_t line_count(const struct histogram *h, unsigned line, unsigned step)
{
    uint64_t n = 0;

    for (unsigned i = line * step; i < (line + 1) * step && i < HISTOGRAM_BUCKETS; i++)
        n += h->bucket[i];
    return n;
}

/* As many buckets a line, 1, 2, 4 and so on, as keep the lines to BARS_MAX. */
static void print_histogram(const struct histogram *h)
{
    unsigned first = 0, last = HISTOGRAM_BUCKETS - 1, step = 1;
    uint64_t most = 1;
    char from[32], bar[4 * BAR_COLUMNS + 1];

    while (first < last && !h->bucket[first])
        first++;
    while (last > first && !h->bucket[last])
        last--;
    while (last / step - first / step >= BARS_MAX)
        step *= 2;
    for (unsigned line = first / step; line <= last / step; line++)
        most = line_count(h, line, step) > most ? line_count(h, line, step) : most;
    for (unsigned line = first / step; line <= last / step; line++) {
        uint64_t n = line_count(h, line, step);

        bar_format(bar, BAR_COLUMNS, (double)n / (double)most);
        printf("%*s  %6.2f%%  %s%s%s", LABEL + 1,
               format_duration(from, (double)histogram_lower(line * step)),
               100.0 * (double)n / (double)h->count, style(STYLE_CYAN), bar, style(STYLE_NONE));
        print_marks(h, line, step);
    }
}

void bench_text(const struct bench *b, const struct load_result *r)
{
    const struct load_plan *plan = &b->plan;
    struct load_notes notes;
    char cost[32], busy[64];

    print_plan(plan, r->seconds);
    putchar('\n');
    print_rates(r);
    putchar('\n');
    print_latencies(plan, &r->tally);
    putchar('\n');
    if (r->tally.latency.count) {
        print_histogram(&r->tally.latency);
        putchar('\n');
    }
    if (r->server_cpu_us >= 0)
        print_pair(LABEL, "CPU", "%s a call in the server (process %d)",
                   format_duration(cost, r->server_cpu_us), r->server_pid);
    snprintf(busy, sizeof busy, "%.0f%% of its thread%s", 100 * r->client_busy,
             plan->threads > 1 ? "s' time" : "'s time");
    print_pair(LABEL, r->server_cpu_us >= 0 ? "" : "CPU", "%s a call in the generator, %s",
               format_duration(cost, r->client_cpu_us), busy);
    load_notes(&notes, plan, r);
    for (unsigned i = 0; i < notes.count; i++)
        print_pair(LABEL, i ? "" : "note", "%s", notes.note[i].text);
}
