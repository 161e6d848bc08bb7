/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks and the order of digits, by the energy that they keep. One pass over the table finds the
   directions of both sides, a second one how much lies along each pair of them; what the first r1
   and r2 keep together is then a sum, for every pair of ranks. (The fit finds directions that keep
   a little more. What each side loses by itself says too little: on word vectors it chose ranks of
   152 and 2 where 20 and 13 lose less in fewer numbers.) One thread beside those of BLAS. */
#include "fits/tt_study.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "fits/linear.h"
#include "fits/tt_slab.h"

#define RANK_MOST 1000 /* as a plan's */
#define ROUNDING 1e-12 /* a share that is lost, or nothing */
#define GRAM_ROWS 256

struct choice {
    double lost;
    uint64_t floats, r1, r2;
    bool big;
};

/* The table in one order of digits. */
struct view {
    struct tt_slab slab;
    size_t m0, m2, d1;
    double *gram[2], *value, *room;
    float *u, *v;   /* all directions of the sides, in rows, the strongest first */
    float *part[2]; /* the slab in terms of one side, and of both */
    double *kept;   /* [m0][m2]; at last what the first k + 1 and l + 1 keep */
};

static enum status view_open(struct view *w, const struct fit *fit, const struct tt_shape *s,
                             struct error *e)
{
    enum status st = tt_slab_open(&w->slab, fit, s, e);
    size_t longest;

    if (st != ST_OK)
        return st;
    w->m0 = w->slab.m0;
    w->m2 = w->slab.m2;
    w->d1 = s->d[1];
    longest = w->m0 > w->m2 ? w->m0 : w->m2;
    w->gram[0] = mem_zero(w->m0 * w->m0, sizeof *w->gram[0]);
    w->gram[1] = mem_zero(w->m2 * w->m2, sizeof *w->gram[1]);
    w->value = mem_zero(longest, sizeof *w->value);
    w->room =
        mem_zero(longest * (GRAM_ROWS > GRAM_COLUMNS ? GRAM_ROWS : GRAM_COLUMNS), sizeof *w->room);
    w->u = mem_zero(w->m0 * w->m0, sizeof *w->u);
    w->v = mem_zero(w->m2 * w->m2, sizeof *w->v);
    for (int i = 0; i < 2; i++)
        w->part[i] = mem_zero(w->m0 * w->m2, w->d1 * sizeof *w->part[i]);
    w->kept = mem_zero(w->m0 * w->m2, sizeof *w->kept);
    if (!w->gram[0] || !w->gram[1] || !w->value || !w->room || !w->u || !w->v || !w->part[0] ||
        !w->part[1] || !w->kept)
        return error_memory(e, "matrices of the study");
    return ST_OK;
}

static void view_close(struct view *w)
{
    mem_free(w->kept);
    mem_free(w->part[1]);
    mem_free(w->part[0]);
    mem_free(w->v);
    mem_free(w->u);
    mem_free(w->room);
    mem_free(w->value);
    mem_free(w->gram[1]);
    mem_free(w->gram[0]);
    tt_slab_close(&w->slab);
}

static void add_grams(struct view *w)
{
    size_t rows = w->m0 * w->d1;

    gram_across(w->gram[0], w->m0, w->slab.x, w->d1 * w->m2, w->room);
    for (size_t at = 0; at < rows; at += GRAM_ROWS)
        gram_add(w->gram[1], w->m2, w->slab.x + at * w->m2, NULL,
                 rows - at < GRAM_ROWS ? rows - at : GRAM_ROWS, w->room);
}

static void add_kept(struct view *w)
{
    product(w->part[0], w->u, w->slab.x, w->m0, w->d1 * w->m2, w->m0);
    product_transposed(w->part[1], w->part[0], w->v, w->m0 * w->d1, w->m2, w->m2);
    for (size_t k = 0; k < w->m0; k++)
        for (size_t b = 0; b < w->d1; b++) {
            const float *x = w->part[1] + (k * w->d1 + b) * w->m2;

            for (size_t l = 0; l < w->m2; l++)
                w->kept[k * w->m2 + l] += (double)x[l] * x[l];
        }
}

static enum status pass(struct view *w, void (*add)(struct view *), struct error *e)
{
    for (uint64_t i1 = 0; i1 < w->slab.s.n[1]; i1++) {
        bool empty;
        enum status st = tt_slab_read(&w->slab, i1, &empty, e);

        if (st != ST_OK)
            return st;
        if (!empty)
            add(w);
    }
    return ST_OK;
}

static enum status directions(struct view *w, unsigned side, size_t m, float *out, struct error *e)
{
    enum status st = eigen_symmetric(w->gram[side], m, w->value, e);

    for (size_t i = 0; st == ST_OK && i < m * m; i++)
        out[i] = (float)w->gram[side][i];
    return st;
}

/* From what lies along each pair to what all pairs before them keep together. */
static void add_up(struct view *w)
{
    for (size_t k = 0; k < w->m0; k++)
        for (size_t l = 1; l < w->m2; l++)
            w->kept[k * w->m2 + l] += w->kept[k * w->m2 + l - 1];
    for (size_t k = 1; k < w->m0; k++)
        for (size_t l = 0; l < w->m2; l++)
            w->kept[k * w->m2 + l] += w->kept[(k - 1) * w->m2 + l];
}

/* The share of the table that these ranks lose. */
static double lost(const struct view *w, const struct tt_shape *s)
{
    size_t r1 = s->r[1] < w->m0 ? s->r[1] : w->m0, r2 = s->r[2] < w->m2 ? s->r[2] : w->m2;
    double all = w->kept[w->m0 * w->m2 - 1];
    double share = all > 0 ? 1 - w->kept[(r1 - 1) * w->m2 + r2 - 1] / all : 0;

    return share > ROUNDING ? share : 0;
}

/* Take `s` if it loses less than the best so far, or nothing more and is smaller. */
static void consider(const struct view *w, const struct tt_shape *s, struct choice *best)
{
    double loss = lost(w, s);
    uint64_t floats = tt_floats(s);

    if (loss < best->lost || (loss == best->lost && floats < best->floats))
        *best = (struct choice){loss, floats, s->r[1], s->r[2], s->big};
}

/* The best ranks of this order within `limit` floats. */
static void choose(const struct view *w, uint64_t limit, struct choice *best)
{
    struct tt_shape s = w->slab.s;
    uint64_t r1_most;

    s.r[1] = s.r[2] = RANK_MOST;
    tt_cut_ranks(&s);
    r1_most = s.r[1];
    for (uint64_t r1 = 1; r1 <= r1_most; r1++) {
        uint64_t first = s.n[0] * s.d[0] * r1, each = r1 * s.n[1] * s.d[1] + s.n[2] * s.d[2];
        uint64_t r2 = first < limit ? (limit - first) / each : 0;
        uint64_t cost = TT_WORK_MAX / (s.d[0] * s.d[1] * (r1 + s.d[2]));

        r2 = r2 < cost ? r2 : cost;
        if (!r2)
            break;
        s.r[1] = r1;
        s.r[2] = r2 < RANK_MOST ? r2 : RANK_MOST;
        tt_cut_ranks(&s);
        consider(w, &s, best);
        while (lost(w, &s) == 0 && s.r[2] > 1) { /* an exact train: the smallest that is */
            s.r[2]--;
            consider(w, &s, best);
        }
    }
}

/* Both passes in one order, and what they say. With ranks that are set only the order is open. */
static enum status look(const struct fit *fit, const struct tt_shape *s, uint64_t limit, bool set,
                        double from, double to, struct choice *best, struct error *e)
{
    double middle = from + (to - from) / 2;
    struct view w = {0};
    enum status st;

    if ((st = view_open(&w, fit, s, e)) != ST_OK)
        goto out;
    tt_slab_start(&w.slab, from, middle);
    if ((st = pass(&w, add_grams, e)) != ST_OK || (st = directions(&w, 0, w.m0, w.u, e)) != ST_OK ||
        (st = directions(&w, 1, w.m2, w.v, e)) != ST_OK)
        goto out;
    tt_slab_normalise(&w.slab);
    tt_slab_start(&w.slab, middle, to);
    if ((st = pass(&w, add_kept, e)) != ST_OK)
        goto out;
    add_up(&w);
    if (set)
        consider(&w, s, best);
    else
        choose(&w, limit, best);
out:
    view_close(&w);
    return st;
}

/* What is open in a layout; the same for all its parts. */
struct open {
    bool ranks, order;
};

/* `limit`: floats that the part may take. */
static enum status study_part(const struct fit *fit, struct plan *plan, struct open open,
                              uint64_t limit, struct error *e)
{
    struct choice best = {.lost = INFINITY};
    struct tt_shape s = {.r = {1, 1, 1, 1}};
    const struct value *v = plan->value;
    enum status st;

    for (unsigned t = 0; t < 3; t++) {
        s.n[t] = (uint64_t)v[TT_N].list[t];
        s.d[t] = (uint64_t)v[TT_D].list[t];
    }
    for (unsigned t = 0; t < 4 && !open.ranks; t++)
        s.r[t] = (uint64_t)v[TT_R].list[t];
    if (s.n[0] > TT_GRAM_MAX / s.d[0] || s.n[2] > TT_GRAM_MAX / s.d[2])
        return ST_OK; /* the fit will say so */
    for (int big = 0; big < 2; big++) {
        if (!open.order && big != (v[TT_DIGIT_ORDER].i == TT_BIG))
            continue;
        s.big = big;
        if ((st = look(fit, &s, limit, !open.ranks, open.order ? 0.5 * big : 0,
                       open.order ? 0.5 + 0.5 * big : 1, &best, e)) != ST_OK)
            return st;
    }
    if (!best.r1)
        return ST_OK; /* the plan will say that the budget is too small */
    plan->value[TT_DIGIT_ORDER].i = best.big ? TT_BIG : TT_LITTLE;
    return open.ranks ? tt_plan_ranks(plan, best.r1, best.r2, e) : ST_OK;
}

static enum status study_whole(const struct fit *fit, struct layout *l, struct open open,
                               struct error *e)
{
    enum status st = tt_plan_shape(&l->part[0], e);

    return st == ST_OK ? study_part(fit, &l->part[0], open, l->budget / sizeof(float), e) : st;
}

/* The common rank gives each field its bytes, and the field its own ranks within them. */
static enum status study_fields(const struct fit *fit, struct layout *l, struct open open,
                                struct error *e)
{
    double rows = l->rows ? (double)l->rows : 1;
    enum status st = tt_share(l, e);
    uint64_t first = 0;

    for (size_t i = 0; st == ST_OK && i < l->part_count; first += l->part[i++].rows) {
        struct plan *plan = &l->part[i];
        struct fit_part part;
        struct tt_shape s;

        if (plan->method != l->method)
            continue;
        s = tt_shape(plan->value);
        fit_part_init(&part, fit, first, plan->rows, (double)first / rows,
                      (double)(first + plan->rows) / rows);
        st = study_part(&part.fit, plan, open, tt_floats(&s), e);
    }
    return st;
}

enum status tt_study(const struct fit *fit, struct layout *l, struct error *e)
{
    const struct value *v = l->part[0].value;
    struct open open = {.ranks = !v[TT_R].set, .order = !v[TT_DIGIT_ORDER].set};

    if (!l->budget || !l->rows || (!open.ranks && !open.order))
        return ST_OK;
    return l->per_field ? study_fields(fit, l, open, e) : study_whole(fit, l, open, e);
}
