/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting dhe: how long, how fast, and what follows. Training ends after its steps; where time is
   limited, it goes through its schedule faster as soon as the steps that are left would take too
   long. Without that, the same seed gives the same bytes. */
#include "fits/dhe.h"

#include "base/clock.h"
#include "fits/scan.h"

/* Rows of a step. For the same number of rows seen fewer steps learn less: 20,000 word vectors at a
   quarter of their size keep an error of 0.36 after 1600 steps of 1024 and of 0.45 after 400 of
   4096. */
#define BATCH 1024
#define BATCH_LEAST 256
#define BATCH_FLOATS ((size_t)1 << 28) /* 1 GiB */
#define EPOCHS 60
#define STEPS_LEAST 120 /* of a small table, on top */
#define RATE 1e-3
#define SECONDS 60
#define SCANNED 0.02 /* of the progress */
#define TRAINED 0.8
#define SETTLED 0.95
#define SETTLE_TIME 0.25  /* of the time, for statistics over the whole table; else a sample */
#define LAST_TIME 0.25    /* for the last layer over the whole table; else it stays as trained */
#define SAMPLE_ROWS 16384 /* of a sample */

enum { OPTION_SECONDS, OPTION_STEPS, OPTION_BATCH };

static const struct setting options[] = {
    [OPTION_SECONDS] = {"seconds", SETTING_REAL, .optional = true,
                        .help = "how long the fit may take: 60 unless steps are given"},
    [OPTION_STEPS] = {"steps", SETTING_INT, .min = 0, .max = INT32_MAX, .optional = true,
                      .help = "steps of training, instead of as many as 60 passes have"},
    [OPTION_BATCH] = {"batch", SETTING_INT, .min = 1, .max = 1 << 20, .optional = true,
                      .help = "rows of a step: 1024"},
};

/* What is left of the time, in steps. */
struct schedule {
    uint64_t steps;
    double done;       /* 0 to 1 */
    double limit;      /* seconds; 0: none */
    uint64_t start_us; /* of the fit */
    double step;       /* seconds of one, as measured */
    bool whole;        /* statistics are taken over the whole table */
    bool last;         /* the last layer is solved for */
};

static size_t batch_of(const struct fit *f, const struct parameters *p)
{
    size_t row = dhe_in(p, 0) + (2 * DHE_HIDDEN + 2) * dhe_width(p) + 2 * (size_t)p->dim;
    size_t batch = f->option[OPTION_BATCH].set ? (size_t)f->option[OPTION_BATCH].i : BATCH;

    while (batch > BATCH_LEAST && batch * row > BATCH_FLOATS)
        batch /= 2;
    return f->rows < batch ? (size_t)f->rows : batch;
}

/* The first pass: weights, their sums, and the columns' mean and deviation. */
static enum status survey(struct dhe_trainer *t, struct error *e)
{
    const struct fit *f = t->fit;
    double *squares = t->deviation, total = 0, mean = 0;
    struct scan s;
    enum status st;

    if ((st = scan_open(&s, f, e)) != ST_OK)
        return st;
    scan_start(&s, 0, SCANNED);
    while ((st = scan_next(&s, e)) == ST_OK && s.n)
        for (size_t i = 0; i < s.n; i++) {
            double w = (double)fit_weight(f, s.first + i);

            total += w;
            if (t->order.sum)
                t->order.sum[s.first + i] = total;
            for (size_t j = 0; j < t->dim; j++) {
                double x = (double)s.rows[i * t->dim + j], from = x - t->mean[j];

                if (w == 0)
                    continue;
                t->mean[j] += from * (w / total);
                squares[j] += w * from * (x - t->mean[j]);
            }
        }
    scan_close(&s);
    for (size_t j = 0; total > 0 && j < t->dim; j++) {
        t->deviation[j] = sqrt(squares[j] / total);
        mean += t->deviation[j] * t->deviation[j] / (double)t->dim;
    }
    for (size_t j = 0; mean > 0 && j < t->dim; j++)
        t->importance[j] = (float)(t->deviation[j] * t->deviation[j] / mean);
    return st;
}

static double elapsed(const struct schedule *s)
{
    return (double)(clock_now_us() - s->start_us) * 1e-6;
}

/* Multiply-adds of taking all statistics and of solving for the last layer, over the whole table,
   as steps of training: three products of each layer for each row of a batch. A multiply-add in
   doubles counts twice, and half of a symmetric product is computed. */
static void costs(const struct dhe_trainer *t, double *settle, double *last)
{
    double k = (double)t->k, w = (double)t->width, d = (double)t->dim;
    double row = k * w + 4 * w * w + w * d, batches = (double)t->fit->rows / (double)t->batch;

    *settle = (5 * k * w + 10 * w * w) / (3 * row) * batches;
    *last = (row + w * w + 2 * w * d) / (3 * row) * batches;
}

/* What can be afforded after training, from what a step takes. */
static void decide(struct schedule *s, const struct dhe_trainer *t)
{
    double settle, last;

    costs(t, &settle, &last);
    s->whole = s->last = true;
    if (s->limit <= 0)
        return;
    s->whole = settle * s->step <= SETTLE_TIME * s->limit || t->fit->rows <= SAMPLE_ROWS;
    s->last = last * s->step <= LAST_TIME * s->limit;
}

/* Seconds that are kept for it. */
static double afterwards(const struct schedule *s, const struct dhe_trainer *t)
{
    double settle, last;

    costs(t, &settle, &last);
    if (!s->whole)
        settle *= (double)SAMPLE_ROWS / (double)t->fit->rows;
    return (settle + (s->last ? last : 0)) * s->step;
}

static void advance(struct schedule *s, const struct dhe_trainer *t)
{
    double left = (1 - s->done) * (double)s->steps, time;

    s->step = elapsed(s) / (double)t->steps;
    decide(s, t);
    time = s->limit - afterwards(s, t) - elapsed(s);
    if (s->limit <= 0 || left * s->step <= time)
        s->done += 1 / (double)s->steps;
    else
        s->done += time > s->step ? (1 - s->done) * s->step / time : 1;
}

static enum status train(struct dhe_trainer *t, struct schedule *s, struct error *e)
{
    enum status st = ST_OK;

    while (st == ST_OK && t->steps < s->steps && s->done < 1) {
        st = dhe_step(t, RATE * 0.5 * (1 + cos(3.141592653589793 * s->done)), e);
        advance(s, t);
        if (st == ST_OK)
            st = dhe_tell(t, SCANNED + (TRAINED - SCANNED) * fmin(s->done, 1), e);
    }
    return st;
}

static void schedule_init(struct schedule *s, const struct dhe_trainer *t)
{
    const struct fit *f = t->fit;
    bool counted = f->option[OPTION_STEPS].set;
    double steps = (double)f->rows / (double)t->batch * EPOCHS + STEPS_LEAST;

    s->steps = counted ? (uint64_t)f->option[OPTION_STEPS].i : (uint64_t)fmin(steps, 1e9);
    s->limit = f->seconds > 0 ? f->seconds : counted ? 0 : SECONDS;
    s->whole = s->last = true;
}

static enum status fit_rows(struct dhe_trainer *t, struct schedule *s, struct error *e)
{
    enum status st;

    if ((st = survey(t, e)) != ST_OK || !t->fit->rows)
        return st;
    if (t->order.sum && t->order.sum[t->fit->rows - 1] <= 0) { /* nobody asks for any row */
        dhe_unscale(t);
        return ST_OK;
    }
    schedule_init(s, t);
    if ((st = train(t, s, e)) != ST_OK)
        return st;
    dhe_unscale(t);
    if ((st = dhe_recalibrate(t, s->whole ? 0 : SAMPLE_ROWS, TRAINED, SETTLED, e)) != ST_OK)
        return st;
    return s->last ? dhe_solve_last(t, SETTLED, 1, e) : ST_OK;
}

static enum status fit(const struct fit *from, struct parameters *p, struct error *e)
{
    struct schedule s = {.start_us = clock_now_us()};
    struct dhe_trainer t;
    enum status st;

    st = dhe_trainer_init(&t, from, p, batch_of(from, p), e);
    if (st == ST_OK)
        st = fit_rows(&t, &s, e);
    dhe_trainer_done(&t);
    return st == ST_OK ? fit_progress(from, 1, e) : st;
}

const struct fitter fitter_dhe = {
    .fit = fit,
    .in_memory = true,
    .options = options,
    .options_count = sizeof options / sizeof options[0],
};
