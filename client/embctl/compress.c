/* SPDX-License-Identifier: Apache-2.0 */
/* embctl compress: from a trained table to a table file of some method, within a budget. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/commands.h"
#include "client/embctl/compress_input.h"
#include "client/embctl/file_info.h"
#include "client/embctl/interrupt.h"
#include "client/embctl/print.h"
#include "client/progress.h"
#include "table/create.h"

static const struct option_decl options[] = {
    {"output", 'o', "FILE", "the table file to make"},
    {"method", 'm', "METHOD", "how to compress; embctl methods lists them"},
    {"ratio", 'r', "R", "budget as a share of the float32 table, such as 0.25"},
    {"budget", 'b', "SIZE", "budget in bytes, such as 64MiB"},
    {"set", 0, "KEY=VALUE", "a setting of the method; may be repeated"},
    {"frequency", 0, "FILE", "how often each row is used: frequent rows are kept closer"},
    {"keys", 0, "FILE", "the id of each row, when ids are not 0 to N - 1"},
    {"seed", 0, "N", "for methods that draw random numbers (0)"},
    {"force", 0, NULL, "replace the file if it exists"},
};

struct work {
    struct input in;
    struct progress progress;
    double last; /* share told */
};

struct made {
    struct table_created file;
    struct fit_error error;
};

static enum status read_rows(void *context, uint64_t first, size_t n, float *out, struct error *e)
{
    struct work *work = context;

    return input_read(&work->in, first, n, out, e);
}

/* The fit goes from 0 to 1, then the measuring of its error does. */
static bool show(void *context, double done)
{
    struct work *work = context;

    if (done < work->last) {
        progress_end(&work->progress);
        progress_start(&work->progress, "measure ", work->in.rows, "rows");
    }
    work->last = done;
    progress_show(&work->progress, done);
    return !interrupted();
}

/* --ratio or --budget in bytes for a table of this size. */
static int read_budget(uint64_t *budget, const struct arguments *a, const struct input *in)
{
    const char *ratio = option_value(a, "ratio"), *size = option_value(a, "budget");
    double full = 4.0 * (double)in->rows * (double)in->dim, share;

    if (size && (!parse_bytes(size, budget) || !*budget))
        return usage_error(a, "--budget: %s is no size such as 64MiB", QUOTE(size));
    if (ratio && (!parse_double(ratio, &share) || share <= 0))
        return usage_error(a, "--ratio: %s is no share such as 0.25", QUOTE(ratio));
    if (ratio) {
        /* The least bit more, so that 0.27 of a table is what people compute it to be. */
        share = share * full * (1 + 1e-12);
        *budget = share < 1 ? 1 : share < 9e18 ? (uint64_t)share : UINT64_MAX / 2;
    }
    return -1;
}

static int read_settings(struct plan *plan, const struct arguments *a)
{
    const char *set;
    struct error e;

    for (size_t n = 0; (set = option_nth(a, "set", n)); n++) {
        const char *equals = strchr(set, '=');
        int i = equals ? method_setting(plan->method, set, (size_t)(equals - set)) : -1;

        if (!equals)
            return usage_error(a, "--set: %s is not KEY=VALUE", QUOTE(set));
        if (i < 0)
            return usage_error(a, "%s has no setting %s (embctl methods %s lists them)",
                               plan->method->name, QUOTE_N(set, (size_t)(equals - set)),
                               plan->method->name);
        mem_free(plan->value[i].list);
        plan->value[i] = (struct value){0};
        if (setting_parse(&plan->method->settings[i], equals + 1, &plan->value[i], &e) != ST_OK)
            return usage_error(a, "--set: %s", e.text);
    }
    return -1;
}

static int print_json(const struct arguments *a, const struct table *t, const struct made *made,
                      double seconds)
{
    struct document j;

    doc_begin(&j);
    doc_object(&j, NULL);
    doc_text(&j, "file", option_value(a, "output"));
    json_table(&j, t);
    doc_real(&j, "relative_squared_error", made->error.relative);
    doc_real(&j, "cosine_mean", made->error.cosine_mean);
    doc_real(&j, "cosine_worst", made->error.cosine_worst);
    doc_u64(&j, "worst_row", made->error.worst_row);
    doc_real(&j, "seconds", seconds);
    doc_close(&j);
    return doc_finish(&j);
}

static int print_people(const struct arguments *a, const struct table *t, const struct made *made,
                        double seconds)
{
    char text[128], file[32];

    print_heading("%s", option_value(a, "output"));
    print_pair(8, "table", "%s", file_summary(text, sizeof text, t));
    print_pair(8, "settings", "%s", t->config);
    print_pair(8, "file", "%s", format_bytes(file, made->file.file_bytes));
    print_pair(8, "error", "%.4g (relative, squared)", made->error.relative);
    print_pair(8, "cosine", "%.6f mean, %.6f worst (row %" PRIu64 ")", made->error.cosine_mean,
               made->error.cosine_worst, made->error.worst_row);
    print_pair(8, "took", "%s", format_duration(file, seconds * 1e6));
    return finish_output();
}

static enum status create(struct work *work, const char *output, struct layout *layout,
                          uint64_t seed, struct made *made, struct error *e)
{
    const struct fit fit = {.rows = work->in.rows,
                            .dim = work->in.dim,
                            .read = read_rows,
                            .context = work,
                            .weight = work->in.weight,
                            .seed = seed,
                            .progress = show};
    const struct table_extras extras = {
        .keys = work->in.keys, .frequency = work->in.frequency, .origin = "fit", .seed = seed};
    struct fit_filling filling = {.fit = &fit, .layout = layout};
    const struct table_source source = {fit_fill, &filling};
    enum status st;

    interrupt_watch(); /* from here on there is a file to remove */
    progress_start(&work->progress, "compress", work->in.rows, "rows");
    st = fit_layout(&fit, layout, e);
    if (st == ST_OK)
        st = table_create(output, layout, &source, &extras, &made->file, e);
    progress_end(&work->progress);
    made->error = filling.error;
    return st;
}

/* What was made, as the file itself tells it. */
static int report(const struct arguments *a, const struct made *made, uint64_t start_us)
{
    struct table_options how = file_options();
    const char *output = option_value(a, "output");
    double seconds = (double)(clock_now_us() - start_us) / 1e6;
    struct table *t = NULL;
    struct error e;
    enum status st;
    int done;

    how.trusted = true; /* it was checked in full before it became visible */
    st = file_identify(&how.expected, output, &e);
    if (st == ST_OK)
        st = table_open(&t, output, &how, &e);
    if (st == ST_OK)
        done = a->json ? print_json(a, t, made, seconds) : print_people(a, t, made, seconds);
    else
        done = fail(&e);
    table_close(t);
    return done;
}

static int compress(const struct arguments *a, const struct plan *plan, uint64_t seed)
{
    const char *output = option_value(a, "output");
    struct layout layout = {0};
    struct work work = {0};
    struct made made;
    uint64_t budget = 0;
    struct error e;
    uint64_t start_us = clock_now_us();
    enum status st;
    int done;

    if (!option_value(a, "force") && access(output, F_OK) == 0) {
        error_set(&e, ST_EXISTS, "%s exists (--force replaces it)", QUOTE(output));
        return fail(&e);
    }
    st = input_open(&work.in, a->operand[0], option_value(a, "frequency"), option_value(a, "keys"),
                    &e);
    if (st != ST_OK)
        return fail(&e);
    done = read_budget(&budget, a, &work.in);
    if (done < 0) {
        st = layout_open(&layout, plan->method, work.in.rows, work.in.dim, NULL, budget,
                         plan->value, &e);
        if (st == ST_OK)
            st = create(&work, output, &layout, seed, &made, &e);
        if (st == ST_OK)
            done = report(a, &made, start_us);
        else
            done = interrupted() ? say_interrupted() : fail(&e);
    }
    layout_done(&layout);
    input_close(&work.in);
    return done;
}

static int run(const struct arguments *a)
{
    const char *output = option_value(a, "output"), *name = option_value(a, "method"),
               *seed_text = option_value(a, "seed");
    struct plan plan = {0};
    uint64_t seed = 0;
    int done;

    if (!output)
        return usage_error(a, "where to? (-o FILE)");
    if (!strcmp(output, "-"))
        return usage_error(a, "a table file cannot be written to standard output");
    if (!name)
        return usage_error(a, "by which method? (--method; embctl methods lists them)");
    plan.method = method_find(name, strlen(name));
    if (!plan.method || !fitter_find(plan.method))
        return usage_error(a, "%s %s (embctl methods lists them)",
                           plan.method ? "tables cannot be compressed by" : "there is no method",
                           QUOTE(name));
    if (seed_text && !parse_u64(seed_text, strlen(seed_text), &seed))
        return usage_error(a, "--seed: %s is no number from 0 to 2^64 - 1", QUOTE(seed_text));
    if (option_value(a, "ratio") && option_value(a, "budget"))
        return usage_error(a, "--ratio and --budget exclude each other");
    done = read_settings(&plan, a);
    if (done < 0)
        done = compress(a, &plan, seed);
    plan_done(&plan);
    return done;
}

const struct command command_compress = {
    .name = "compress",
    .operands = "IN.npy -o OUT --method METHOD",
    .help = "Compress an array of trained rows to a table file",
    .more =
        "IN.npy has one row an id, in float32, float16 or float64; - is standard input. Without\n"
        "--ratio or --budget the table gets the method's natural size. Lists are\n"
        "one-dimensional .npy arrays or text.\n",
    .operands_least = 1,
    .operands_most = 1,
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .run = run,
};
