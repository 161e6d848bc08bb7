/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting adapt: the most important rows are kept as they are, the others become the weighted means
   of those that share a row, which no other rows beat. Importance is the weight where weights are
   given, else the length of the row; of equal rows the first. How much of the budget goes to the
   frequent rows is decided by trying several shares. One thread. */
#include <math.h>

#include "base/memory.h"
#include "fits/scan.h"
#include "methods/adapt.h"
#include "methods/top_rows.h"

/* Shares of the budget for frequent rows, in sixteenths; then all but one rare row. */
static const unsigned shares[] = {0, 1, 2, 4, 6, 8, 10, 12, 14, 15};
#define SHARES (sizeof shares / sizeof shares[0])
#define CANDIDATES (SHARES + 1)

struct work {
    const struct fit *fit;
    struct scan scan;
    float *length;  /* of each row; NULL where there are weights */
    double *sum;    /* [rare][dim] */
    double *weight; /* [rare] */
    uint64_t rare;  /* rows in hand */
    uint64_t room;  /* rows that there is memory for */
};

static float importance(const struct work *k, uint64_t row)
{
    return k->length ? k->length[row] : k->fit->weight[row];
}

static struct top_rows top(const struct work *k, uint64_t hot)
{
    return top_rows(k->length ? k->length : k->fit->weight, k->fit->rows, hot);
}

static enum status open_work(struct work *k, const struct fit *fit, uint64_t room, struct error *e)
{
    size_t sums;

    *k = (struct work){.fit = fit, .room = room};
    if (!size_mul(room, fit->dim, &sums) || !(k->sum = mem_zero(sums, sizeof *k->sum)) ||
        !(k->weight = mem_zero(room, sizeof *k->weight)) ||
        (!fit->weight && !(k->length = mem_zero(fit->rows, sizeof *k->length))))
        return error_memory(e, "sums of the rare rows");
    return scan_open(&k->scan, fit, e);
}

static void close_work(struct work *k)
{
    scan_close(&k->scan);
    mem_free(k->length);
    mem_free(k->weight);
    mem_free(k->sum);
}

static double squares(const float *x, size_t n)
{
    double sum = 0;

    for (size_t j = 0; j < n; j++)
        sum += (double)x[j] * x[j];
    return sum;
}

/* One pass for the lengths, if they are needed. */
static enum status measure_rows(struct work *k, double to, struct error *e)
{
    struct scan *s = &k->scan;
    enum status st;

    if (!k->length)
        return ST_OK;
    scan_start(s, 0, to);
    while ((st = scan_next(s, e)) == ST_OK && s->n)
        for (size_t i = 0; i < s->n; i++)
            k->length[s->first + i] = (float)sqrt(squares(s->rows + i * k->fit->dim, k->fit->dim));
    return st;
}

static void clear_sums(struct work *k, uint64_t rare)
{
    k->rare = rare;
    for (uint64_t i = 0; i < rare * k->fit->dim; i++)
        k->sum[i] = 0;
    for (uint64_t i = 0; i < rare; i++)
        k->weight[i] = 0;
}

static void add_row(struct work *k, uint64_t rare, const float *x, double w)
{
    double *sum = k->sum + rare * k->fit->dim;

    k->weight[rare] += w;
    for (uint32_t j = 0; j < k->fit->dim; j++)
        sum[j] += w * x[j];
}

/* ---- The fit ---- */

static void write_means(const struct work *k, float *rare)
{
    for (uint64_t i = 0; i < k->rare; i++)
        for (uint32_t j = 0; j < k->fit->dim; j++) {
            uint64_t at = i * k->fit->dim + j;

            rare[at] = k->weight[i] > 0 ? (float)(k->sum[at] / k->weight[i]) : 0;
        }
}

static enum status fill(struct work *k, struct parameters *p, struct error *e)
{
    struct top_rows hot = top(k, p->tensor[ADAPT_FREQ].shape[0]);
    float *freq = p->tensor[ADAPT_FREQ].data;
    struct adapt_writer writer = {.p = p};
    struct scan *s = &k->scan;
    enum status st;

    clear_sums(k, p->tensor[ADAPT_RARE].shape[0]);
    scan_start(s, k->length ? 0.5 : 0, 1);
    while ((st = scan_next(s, e)) == ST_OK && s->n)
        for (size_t i = 0; i < s->n; i++) {
            uint64_t id = s->first + i;
            const float *x = s->rows + i * p->dim;
            struct adapt_place at = adapt_write(&writer, top_take(&hot, importance(k, id)));

            for (uint32_t j = 0; at.hot && j < p->dim; j++)
                freq[at.row * p->dim + j] = x[j];
            if (!at.hot)
                add_row(k, at.row, x, fit_weight(k->fit, id));
        }
    if (st == ST_OK)
        write_means(k, p->tensor[ADAPT_RARE].data);
    return st;
}

static enum status fit(const struct fit *from, struct parameters *p, struct error *e)
{
    struct work k;
    enum status st = open_work(&k, from, p->tensor[ADAPT_RARE].shape[0], e);

    if (st == ST_OK && (st = measure_rows(&k, 0.5, e)) == ST_OK)
        st = fill(&k, p, e);
    close_work(&k);
    return st;
}

/* ---- The study ---- */

struct split {
    uint64_t hot, rare;
};

/* What `share` of the budget makes of a part; false if no row is left for a rare id. */
static bool split_at(struct split *out, const struct plan *plan, const struct adapt_costs *c,
                     size_t share)
{
    uint64_t bytes = plan->budget - c->fixed, most = (bytes - c->rare) / c->hot;

    out->hot = most;
    if (share < SHARES)
        out->hot = (uint64_t)((double)bytes / 16 * shares[share] / (double)c->hot);
    out->hot = out->hot < most ? out->hot : most;
    out->hot = out->hot < plan->rows ? out->hot : plan->rows;
    out->rare = adapt_rare_rows(plan, c, out->hot);
    return out->rare || out->hot == plan->rows;
}

/* The squares that a split explains: all of the hot rows, and those of the means. */
static enum status explained(struct work *k, const struct plan *plan, const struct split *split,
                             double *out, struct error *e)
{
    bool by_id = plan->value[ADAPT_REMAP].i == ADAPT_HOT_LIST &&
                 plan->value[ADAPT_RARE_HASH].i == ADAPT_ID_MOD;
    struct top_rows hot = top(k, split->hot);
    struct scan *s = &k->scan;
    uint64_t low = 0;
    double sum = 0;
    enum status st;

    clear_sums(k, split->rare);
    while ((st = scan_next(s, e)) == ST_OK && s->n)
        for (size_t i = 0; i < s->n; i++) {
            uint64_t id = s->first + i;
            const float *x = s->rows + i * k->fit->dim;
            double w = fit_weight(k->fit, id);

            if (top_take(&hot, importance(k, id)))
                sum += w * squares(x, k->fit->dim);
            else
                add_row(k, (by_id ? id : low++) % split->rare, x, w);
        }
    for (uint64_t i = 0; i < k->rare; i++)
        for (uint32_t j = 0; k->weight[i] > 0 && j < k->fit->dim; j++) {
            double own = k->sum[i * k->fit->dim + j];

            sum += own * own / k->weight[i];
        }
    *out = sum;
    return st;
}

static enum status try_splits(struct work *k, struct plan *plan, const struct adapt_costs *c,
                              struct split *best, struct error *e)
{
    double most = -1, here;
    enum status st = measure_rows(k, 1.0 / (CANDIDATES + 1), e);

    for (size_t i = 0; st == ST_OK && i < CANDIDATES; i++) {
        struct split split;

        if (!split_at(&split, plan, c, i))
            continue;
        scan_start(&k->scan, (double)(i + 1) / (CANDIDATES + 1),
                   (double)(i + 2) / (CANDIDATES + 1));
        st = explained(k, plan, &split, &here, e);
        if (st == ST_OK && here > most) {
            most = here;
            *best = split;
        }
    }
    return st;
}

/* Settle the sizes of one part, whose budget is known. */
static enum status study_part(const struct fit *fit, struct plan *part, uint64_t budget,
                              struct error *e)
{
    struct adapt_costs c = adapt_costs(part);
    struct plan trial = *part; /* looked at only */
    struct split best = {0};
    struct work k;
    enum status st;

    trial.budget = budget;
    if (!fit->rows || budget < c.fixed + c.rare || (budget - c.fixed) / c.rare >= fit->rows)
        return fit_progress(fit, 1, e); /* nothing to decide */
    st = open_work(&k, fit, adapt_rare_rows(&trial, &c, 0), e);
    if (st == ST_OK)
        st = try_splits(&k, &trial, &c, &best, e);
    close_work(&k);
    if (st == ST_OK)
        st = plan_size(part, "H", best.hot, e);
    return st == ST_OK ? plan_size(part, "L", best.rare, e) : st;
}

/* The parts of a plan made for their shares of the budget; those that it leaves full stay open. */
static enum status study(const struct fit *fit, struct layout *l, struct error *e)
{
    double rows = fit->rows ? (double)fit->rows : 1;
    struct layout made;
    uint64_t first = 0;
    enum status st;

    if (!l->budget)
        return fit_progress(fit, 1, e);
    st = layout_open(&made, l->method, l->rows, l->dim, &l->fields, l->budget, l->part[0].value, e);
    if (st == ST_OK)
        st = layout_make(&made, e);
    l->need = made.need;
    for (size_t i = 0; st == ST_OK && i < l->part_count; first += l->part[i++].rows) {
        struct fit_part own;

        if (made.part[i].method != l->method)
            continue;
        fit_part_init(&own, fit, first, l->part[i].rows, (double)first / rows,
                      (double)(first + l->part[i].rows) / rows);
        st = study_part(&own.fit, &l->part[i], made.part[i].budget, e);
    }
    layout_done(&made);
    return st;
}

const struct fitter fitter_adapt = {.study = study, .fit = fit};
