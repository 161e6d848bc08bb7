/* SPDX-License-Identifier: Apache-2.0 */
/* One frame of embctl top. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/info.h"
#include "client/embctl/print.h"
#include "client/embctl/stats_json.h"
#include "client/embctl/top_rates.h"

#define LINES_AROUND 5 /* title, error or blank, blank, column titles, the last line */

struct line {
    const Embd__V1__TableInfo *table;
    struct rates *rates;
};

/* The busiest first, then by name. */
static int compare_lines(const void *a, const void *b)
{
    const struct line *x = a, *y = b;

    if (x->rates->calls != y->rates->calls)
        return x->rates->calls > y->rates->calls ? -1 : 1;
    return strcmp(x->table->name, y->table->name);
}

static const char *rate_format(char out[32], double rate)
{
    if (rate > 0 && rate < 100)
        snprintf(out, 32, "%.1f", rate);
    else
        format_count(out, (uint64_t)(rate + 0.5));
    return out;
}

static void put_rate(struct sheet *s, double rate, enum style style)
{
    sheet_style(s, rate > 0 ? style : STYLE_DIM);
    sheet_text(s, rate_format((char[32]){0}, rate));
}

static void print_title(const struct top *t, const struct sample *now, const struct rates *all,
                        const char *clear)
{
    char up[32], calls[32], ids[32], pushes[32], memory[32];

    printf("%sembd", style(STYLE_BOLD));
    putchar(' ');
    print_safe(now->stats->version);
    printf("%s at %s   up %s   %s%s%s calls/s   %s%s%s ids/s", style(STYLE_NONE), t->address,
           span_format(up, now->stats->uptime_us), style(STYLE_BOLD),
           rate_format(calls, all->calls), style(STYLE_NONE), style(STYLE_BOLD),
           rate_format(ids, all->ids), style(STYLE_NONE));
    if (now->stats->n_training)
        printf("   %s%s%s pushes/s", style(STYLE_BOLD), rate_format(pushes, all->pushes),
               style(STYLE_NONE));
    for (size_t i = 0; i < now->stats->n_memory; i++)
        if (!now->stats->memory[i]->table[0])
            printf("   %s resident", format_bytes(memory, now->stats->memory[i]->private_bytes));
    if (now->stats->n_training && now->stats->log)
        printf("   %s log", format_bytes(memory, now->stats->log->bytes));
    printf("%s\n", clear);
    if (t->failed)
        printf("%s%s%s", style(STYLE_RED), t->error.text, style(STYLE_NONE));
    printf("%s\n", clear);
}

static const char *history_format(char *out, const struct top *t, const char *name)
{
    const struct history *h = NULL;
    double most = 0;
    char *at = out;

    *at = '\0';
    for (size_t i = 0; i < t->histories && !h; i++)
        if (!strcmp(t->history[i].name, name))
            h = &t->history[i];
    for (size_t i = 0; h && i < HISTORY; i++)
        most = h->rate[i] > most ? h->rate[i] : most;
    for (size_t i = 0; most > 0 && i < HISTORY; i++)
        at = stpcpy(at, spark(h->rate[i] / most));
    return out;
}

static void add_line(struct sheet *s, const struct top *t, const struct line *line)
{
    const Embd__V1__TableInfo *table = line->table;
    const struct rates *r = line->rates;
    char text[4 * HISTORY + 1], dim[32];
    bool damaged = table->state != EMBD__V1__TABLE_STATE__TABLE_STATE_SERVING;

    sheet_style(s, damaged ? STYLE_RED : STYLE_BOLD);
    sheet_text(s, table->name);
    sheet_text(s, damaged ? state_name((int)table->state) : table->method);
    sheet_format(s, "%s × %s", format_count(text, table->rows), format_count(dim, table->dim));
    sheet_bytes(s, table->parameter_bytes);
    put_rate(s, r->calls, STYLE_NONE);
    put_rate(s, r->ids, STYLE_NONE);
    if (r->hit_percent >= 0)
        sheet_format(s, "%.1f %%", r->hit_percent);
    else
        sheet_text(s, "");
    if (table->trainable)
        put_rate(s, r->pushes, STYLE_NONE);
    else
        sheet_text(s, "");
    put_rate(s, r->errors, STYLE_RED);
    sheet_us(s, latency_quantile(&r->latency, 0.5));
    sheet_us(s, latency_quantile(&r->latency, 0.99));
    sheet_style(s, STYLE_CYAN);
    sheet_text(s, history_format(text, t, table->name));
}

void top_frame(const struct top *t, unsigned height, const char *clear)
{
    static const struct column columns[] = {
        {"table", false},   {"method", false}, {"rows", true}, {"size", true},
        {"calls/s", true},  {"ids/s", true},   {"hits", true}, {"pushes/s", true},
        {"errors/s", true}, {"p50", true},     {"p99", true},  {"calls/s before now", false},
    };
    const struct sample *now = top_at(t, 0), *before = NULL;
    size_t n = now->list->n_tables, shown;
    struct line *line = need_zero(n + 1, sizeof *line);
    struct rates *rates = need_zero(n + 1, sizeof *rates);
    struct sheet s;

    for (size_t back = SAMPLES - 1; back > 0 && !before; back--)
        before = top_at(t, back);
    if (!before)
        before = now;
    rates_between(&rates[n], now, before, NULL);
    print_title(t, now, &rates[n], clear);
    for (size_t i = 0; i < n; i++) {
        rates_between(&rates[i], now, before, now->list->tables[i]->name);
        line[i] = (struct line){now->list->tables[i], &rates[i]};
    }
    qsort(line, n, sizeof *line, compare_lines);
    shown =
        height && n + LINES_AROUND > height ? height > LINES_AROUND ? height - LINES_AROUND : 1 : n;
    sheet_init(&s, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < shown && i < n; i++)
        add_line(&s, t, &line[i]);
    if (n)
        sheet_print(&s, 0, clear);
    else
        printf("no tables are served%s\n", clear);
    if (shown < n)
        printf("%sand %zu more%s%s\n", style(STYLE_DIM), n - shown, style(STYLE_NONE), clear);
    sheet_done(&s);
    mem_free(line);
    mem_free(rates);
}
