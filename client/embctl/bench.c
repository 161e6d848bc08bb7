/* SPDX-License-Identifier: Apache-2.0 */
/* embctl bench: lookups under load, from any server of embd.proto. */
#include "client/embctl/bench.h"
#include "client/embctl/commands.h"
#include "client/embctl/interrupt.h"
#include "client/embctl/print.h"
#include "client/load/notes.h"
#include "client/progress.h"

struct show {
    struct progress progress;
    bool measuring;
};

static bool show(void *context, double part, uint64_t calls)
{
    struct show *s = context;

    if (part > 0 && !s->measuring) {
        progress_end(&s->progress);
        progress_start(&s->progress, "measure", 0, "calls");
        s->measuring = true;
    }
    if (part > 0)
        s->progress.units = (uint64_t)((double)calls / part); /* if it goes on like this */
    progress_show(&s->progress, part);
    return !interrupted();
}

static enum status measure(struct load_result *r, const struct load_plan *plan, struct error *e)
{
    struct show s = {.measuring = false};
    const struct load_watch watch = {show, &s};
    enum status st;

    interrupt_watch();
    progress_start(&s.progress, "warm up", 0, "calls");
    st = load_measure(r, plan, &watch, e);
    progress_end(&s.progress);
    return st;
}

static int run(const struct arguments *a)
{
    struct load_result result;
    struct bench b;
    struct error e;
    int done = bench_options(&b, a);

    if (done < 0)
        done = bench_tables(&b, a);
    if (done < 0 && measure(&result, &b.plan, &e) != ST_OK)
        done = fail(&e);
    if (done < 0) {
        if (a->json) {
            done = bench_json(&b, &result);
        } else {
            bench_text(&b, &result);
            done = finish_output();
        }
        if (done == EXIT_DONE && load_verdict(&result, &e) != ST_OK)
            done = fail(&e);
        else if (done == EXIT_DONE && result.stopped)
            done = EXIT_INTERRUPTED;
    }
    bench_done(&b);
    return done;
}

const struct command command_bench = {
    .name = "bench",
    .operands = "",
    .help = "Measure lookups under load",
    .more = "Every request asks all tables for ids that are drawn for it alone. A closed loop "
            "sends the\n"
            "next call of a stream when the one before is answered. An open loop (--rate) sends "
            "calls when\n"
            "they are due; their latency counts from then, so that a server that stalls cannot "
            "hide the\n"
            "calls that would have come meanwhile. Every reply must have status OK, and the rows, "
            "columns\n"
            "and bytes of the answer; the exit status is 1 if one had not. Any server of "
            "embd.proto will\n"
            "do; one that does not describe its tables needs --rows and --dim.\n",
    .remote = true,
    .options = bench_option_list,
    .option_count = BENCH_OPTIONS,
    .run = run,
};
