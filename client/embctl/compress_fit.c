/* SPDX-License-Identifier: Apache-2.0 */
/* One method's try: study, plan, fit, measure, with a progress line for each. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "client/embctl/compress.h"
#include "client/embctl/interrupt.h"
#include "client/embctl/parts.h"
#include "client/progress.h"
#include "fits/scan.h"
#include "methods/cost.h"

#define LABEL_TEXT 100

struct work {
    const struct input *in;
    struct progress progress;
    const char *label;
    char what[LABEL_TEXT];
    struct fit fit;
    const struct layout *layout;
    struct fit_error error;
};

static enum status read_rows(void *context, uint64_t first, size_t n, float *out, struct error *e)
{
    const struct work *work = context;

    return input_read(work->in, first, n, out, e);
}

static bool show(void *context, double done)
{
    struct work *work = context;

    progress_show(&work->progress, done);
    return !interrupted();
}

/* Begin a stage of the work, which goes from 0 to 1. */
static void stage(struct work *work, const char *name)
{
    progress_end(&work->progress);
    snprintf(work->what, sizeof work->what, "%s%s%-8s", work->label, *work->label ? " " : "", name);
    progress_start(&work->progress, work->what, work->in->rows, "rows");
}

static void work_init(struct work *work, const struct compression *c, const struct fit *options,
                      const char *label)
{
    *work = (struct work){.in = &c->in, .label = label, .fit = *options};
    work->fit.rows = c->in.rows;
    work->fit.dim = c->in.dim;
    work->fit.read = read_rows;
    work->fit.context = work;
    work->fit.weight = c->in.weight;
    work->fit.seed = c->seed;
    work->fit.progress = show;
}

int attempt_init(struct attempt *t, const struct compression *c, const struct method *m, bool some)
{
    *t = (struct attempt){.method = m};
    return words_settings(t->chosen, &t->options, &c->words, m, some, c->a);
}

void attempt_done(struct attempt *t)
{
    begin_settings_done(t->chosen);
}

enum status check_values(const struct compression *c, struct error *e)
{
    const struct fit none = {0};
    struct work work;
    struct scan scan;
    enum status st;

    work_init(&work, c, &none, "");
    stage(&work, "read");
    st = scan_open(&scan, &work.fit, e);
    if (st == ST_OK)
        do
            st = scan_next(&scan, e);
        while (st == ST_OK && scan.n);
    scan_close(&scan);
    progress_end(&work.progress);
    return st;
}

static enum status fill(void *context, struct parameters *part, size_t parts, struct error *e)
{
    struct work *work = context;
    enum status st;

    stage(work, "compress");
    st = fit_parameters(&work->fit, work->layout, part, e);
    for (size_t i = 0; st == ST_OK && i < parts; i++)
        st = parameters_check(&part[i], e);
    stage(work, "measure");
    return st == ST_OK ? fit_measure(&work->fit, part, parts, &work->error, e) : st;
}

static enum status make(struct attempt *t, struct work *work, const struct compression *c,
                        struct layout *l, const char *path)
{
    const struct table_source source = {fill, work};
    struct table_extras extras = {
        .keys = c->in.keys, .frequency = c->in.frequency, .origin = "fit", .seed = c->seed};
    char *optimizer = NULL;
    struct parts parts;
    enum status st;

    stage(work, "study");
    st = fit_layout(&work->fit, l, &t->e);
    t->need = l->need;
    if (st == ST_OK)
        st = layout_work(l, &t->work, &t->e);
    if (st == ST_OK)
        st = begin_optimizer(&optimizer, l, c->optimizer, NULL, 0, &t->e);
    extras.optimizer = optimizer;
    if (st == ST_OK)
        st = table_create(path, l, &source, &extras, &t->file, &t->e);
    if (st == ST_OK) {
        parts_of_layout(&parts, l);
        parts_summary(t->summary, sizeof t->summary, &parts);
        parts_done(&parts);
    }
    mem_free(optimizer);
    return st;
}

void attempt_run(struct attempt *t, const struct compression *c, const char *path,
                 const char *label)
{
    uint64_t start_us = clock_now_us();
    struct layout layout;
    struct work work;

    work_init(&work, c, &t->options, label);
    work.layout = &layout;
    t->st = layout_open(&layout, t->method, c->in.rows, c->in.dim, &c->fields, c->budget, t->chosen,
                        &t->e);
    if (t->st == ST_OK)
        t->st = make(t, &work, c, &layout, path);
    progress_end(&work.progress);
    t->error = work.error;
    t->seconds = (double)(clock_now_us() - start_us) / 1e6;
    layout_done(&layout);
}
