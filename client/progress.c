/* SPDX-License-Identifier: Apache-2.0 */
/* The progress line. Owned by the thread that does the work. */
#include "client/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

#define BAR 30
#define SHOW_US 100000
#define SURE_US 500000 /* before that an estimate is noise */

void progress_start(struct progress *p, const char *what, uint64_t units, const char *unit)
{
    *p = (struct progress){.what = what,
                           .unit = unit,
                           .units = units,
                           .start_us = clock_now_us(),
                           .terminal = isatty(STDERR_FILENO) != 0};
}

static void put_bar(char *out, double done)
{
    static const char *const eighth[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    unsigned eighths = (unsigned)(done * BAR * 8), full = eighths / 8;

    for (unsigned i = 0; i < full; i++)
        out = stpcpy(out, "█");
    out = stpcpy(out, eighth[eighths % 8]);
    for (unsigned i = full + (eighths % 8 != 0); i < BAR; i++)
        out = stpcpy(out, " ");
}

static void put_left(char *out, size_t room, double seconds)
{
    unsigned s = seconds < 1e6 ? (unsigned)(seconds + 0.5) : 1000000;

    if (s >= 3600)
        snprintf(out, room, "%u h %02u min left", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(out, room, "%u min %02u s left", s / 60, s % 60);
    else
        snprintf(out, room, "%u s left", s);
}

void progress_show(struct progress *p, double done)
{
    char bar[4 * BAR + 4], rate[64] = "", left[64] = "", number[32];
    uint64_t now_us;
    double seconds;

    if (!p->terminal)
        return;
    now_us = clock_now_us();
    if (p->shown_us && now_us < p->shown_us + SHOW_US)
        return;
    p->shown_us = now_us;
    done = done > 0 ? done < 1 ? done : 1 : 0;
    seconds = (double)(now_us - p->start_us) / 1e6;
    put_bar(bar, done);
    if (now_us > p->start_us + SURE_US && done > 0) {
        uint64_t speed = (uint64_t)(done * (double)p->units / seconds);

        snprintf(rate, sizeof rate, "%s%s%s/s",
                 p->unit ? format_count(number, speed) : format_bytes(number, speed),
                 p->unit ? " " : "", p->unit ? p->unit : "");
        put_left(left, sizeof left, seconds / done - seconds);
    }
    fprintf(stderr, "\r%s \033[36m%s\033[0m %3.0f %%  %s  %s\033[K", p->what, bar, 100 * done, rate,
            left);
    fflush(stderr);
}

void progress_end(struct progress *p)
{
    if (p->terminal && p->shown_us) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
}
