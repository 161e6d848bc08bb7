/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting optembed: of the rows those with the most weight in the columns that are kept, as they
   are. No other choice of as many leaves less error. Three passes; one thread. */
#include "fits/optembed.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "fits/scan.h"
#include "fits/select.h"
#include "methods/optembed.h"

/* Root of the weighted sum of squares of the columns that a row would keep. */
static float score_of(const float *row, uint64_t width, double weight)
{
    double sum = 0, root;

    for (uint64_t j = 0; j < width; j++)
        sum += (double)row[j] * (double)row[j];
    root = sqrt(sum * weight);
    return root < FLT_MAX ? (float)root : FLT_MAX;
}

static float score_at(const struct scan *s, size_t i, uint64_t width)
{
    return score_of(s->rows + i * s->fit->dim, width, (double)fit_weight(s->fit, s->first + i));
}

/* Which scores are among the largest: two passes. */
static enum status choose(struct scan *s, struct select *select, uint64_t width, struct error *e)
{
    enum status st = ST_OK;

    for (int pass = 0; st == ST_OK && pass < SELECT_PASSES; pass++) {
        scan_start(s, (double)pass / (SELECT_PASSES + 1), (pass + 1.0) / (SELECT_PASSES + 1));
        while ((st = scan_next(s, e)) == ST_OK && s->n)
            for (size_t i = 0; i < s->n; i++) {
                float score = score_at(s, i, width);

                select_add(select, &score, 1);
            }
        if (st == ST_OK)
            select_next(select);
    }
    return st;
}

static enum status copy_chosen(struct scan *s, struct select *select, struct parameters *p,
                               struct error *e)
{
    uint64_t most = p->tensor[OPTEMBED_EMB].shape[0], width = p->tensor[OPTEMBED_EMB].shape[1];
    uint64_t place = 0;
    float *emb = p->tensor[OPTEMBED_EMB].data;
    enum status st;

    scan_start(s, (double)SELECT_PASSES / (SELECT_PASSES + 1), 1);
    while ((st = scan_next(s, e)) == ST_OK && s->n)
        for (size_t i = 0; i < s->n; i++) {
            /* Never more than there is room for, should the rows have changed under us. */
            if (place == most || !select_takes(select, score_at(s, i, width))) {
                optembed_mark(p, s->first + i, OPTEMBED_PRUNED);
                continue;
            }
            optembed_mark(p, s->first + i, place);
            memcpy(emb + place++ * width, s->rows + i * s->fit->dim, width * sizeof *emb);
        }
    return st;
}

static enum status fit(const struct fit *fit, struct parameters *p, struct error *e)
{
    uint64_t kept = p->tensor[OPTEMBED_EMB].shape[0], width = p->tensor[OPTEMBED_EMB].shape[1];
    struct select select = {.passes = 0};
    struct scan s = {.n = 0};
    enum status st;

    optembed_all_columns(p);
    if ((st = scan_open(&s, fit, e)) == ST_OK && (st = select_init(&select, kept, e)) == ST_OK &&
        (st = choose(&s, &select, width, e)) == ST_OK)
        st = copy_chosen(&s, &select, p, e);
    select_done(&select);
    scan_close(&s);
    return st;
}

const struct fitter fitter_optembed = {.study = optembed_study, .fit = fit};
