/* SPDX-License-Identifier: Apache-2.0 */
/* Histograms on a terminal. No state. */
#include "client/embctl/latency.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "client/embctl/print.h"

#define BAR_WIDTH 40

static uint64_t upper_bound(const struct latency *l, size_t i)
{
    return i + 1 < l->count ? l->bound[i + 1] : l->bound[i] * 2;
}

double latency_quantile(const struct latency *l, double share)
{
    uint64_t total = 0, below = 0;

    for (size_t i = 0; i < l->count; i++)
        total += l->bucket[i];
    for (size_t i = 0; i < l->count; i++) {
        double due = share * (double)total;

        if (l->bucket[i] && (double)(below + l->bucket[i]) >= due) {
            double within = (due - (double)below) / (double)l->bucket[i];
            double lower = (double)l->bound[i];

            return lower + within * ((double)upper_bound(l, i) - lower);
        }
        below += l->bucket[i];
    }
    return 0;
}

unsigned level_of(double us)
{
    unsigned level = 0;

    while (level + 1 < LEVELS && us >= (double)level_lower(level + 1))
        level++;
    return level;
}

uint64_t level_lower(unsigned level)
{
    return level ? UINT64_C(1) << (level - 1) : 0;
}

void latency_levels(const struct latency *l, uint64_t level[LEVELS])
{
    memset(level, 0, LEVELS * sizeof *level);
    for (size_t i = 0; i < l->count; i++)
        level[level_of((double)l->bound[i])] += l->bucket[i];
}

char *latency_spark(char *out, const uint64_t level[LEVELS], unsigned first, unsigned last)
{
    uint64_t most = 0;
    char *at = out;

    *at = '\0';
    for (unsigned i = first; i <= last; i++)
        most = level[i] > most ? level[i] : most;
    for (unsigned i = first; most && i <= last; i++)
        at = stpcpy(at, spark((double)level[i] / (double)most));
    while (at > out && at[-1] == ' ')
        *--at = '\0';
    return out;
}

void latency_draw(const uint64_t level[LEVELS], const double quantile[4])
{
    static const char *const names[] = {"p50", "p90", "p99", "p99.9"};
    unsigned first = 0, last = LEVELS - 1;
    uint64_t total = 0, most = 0;

    for (unsigned i = 0; i < LEVELS; i++) {
        total += level[i];
        most = level[i] > most ? level[i] : most;
    }
    while (first < last && !level[first])
        first++;
    while (last > first && !level[last])
        last--;
    for (unsigned i = first; i <= last && total; i++) {
        char bar[4 * BAR_WIDTH + 1], lower[32], upper[32], count[32];

        bar_format(bar, BAR_WIDTH, (double)level[i] / (double)most);
        printf("  %9s – %-9s %s%s%s%*s %13s %6.2f %%",
               i ? format_duration(lower, (double)level_lower(i)) : "0",
               format_duration(upper, (double)level_lower(i + 1)), style(STYLE_CYAN), bar,
               style(STYLE_NONE), (int)(BAR_WIDTH - text_width(bar)), "",
               format_count(count, level[i]), 100 * (double)level[i] / (double)total);
        for (unsigned q = 0; q < 4; q++)
            if (quantile[q] > 0 && level_of(quantile[q]) == i)
                printf("  %s%s%s", style(STYLE_YELLOW), names[q], style(STYLE_NONE));
        putchar('\n');
    }
}
