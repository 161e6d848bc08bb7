/* SPDX-License-Identifier: Apache-2.0 */
/* Ranks and the order of digits, by the energy that they lose. The sums of squares of the
   directions left out at the two sides add up to a bound of the error, for every pair of ranks,
   from one pass over the table. One thread. */
#include "fits/tt_study.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "fits/linear.h"
#include "fits/tt_slab.h"

#define RANK_MOST 1000 /* as a plan's */
#define GRAM_ROWS 256

struct choice {
    double error;
    uint64_t r1, r2;
    bool big;
};

/* What is lost at a side by leaving out all directions from the r-th on, [m + 1]. */
static enum status tails(double *gram, size_t m, double *tail, struct error *e)
{
    double *value = mem_zero(m, sizeof *value);
    enum status st = value ? eigen_symmetric(gram, m, value, e) : error_memory(e, "eigenvalues");

    for (size_t r = m; st == ST_OK && r-- > 0;)
        tail[r] = tail[r + 1] + (value[r] > 0 ? value[r] : 0);
    mem_free(value);
    return st;
}

/* The best ranks of this order within `limit` floats; those that are set stay. */
static void choose(const struct tt_shape *shape, const double *tail0, const double *tail2,
                   uint64_t limit, bool set, struct choice *best)
{
    struct tt_shape s = *shape;
    uint64_t r1_most = RANK_MOST;

    if (set) {
        struct tt_shape cut = s;
        double error;

        tt_cut_ranks(&cut);
        error = tail0[cut.r[1]] + tail2[cut.r[2]];
        if (error < best->error)
            *best = (struct choice){error, s.r[1], s.r[2], s.big};
        return;
    }
    s.r[1] = s.r[2] = RANK_MOST;
    tt_cut_ranks(&s);
    r1_most = s.r[1];
    for (uint64_t r1 = 1; r1 <= r1_most; r1++) {
        uint64_t first = s.n[0] * s.d[0] * r1, each = r1 * s.n[1] * s.d[1] + s.n[2] * s.d[2], cost;
        double error;

        if (first >= limit || (limit - first) / each == 0)
            break;
        s.r[1] = r1;
        s.r[2] = (limit - first) / each < RANK_MOST ? (limit - first) / each : RANK_MOST;
        cost = TT_WORK_MAX / (s.d[0] * s.d[1] * (r1 + s.d[2]));
        s.r[2] = s.r[2] < cost ? s.r[2] : cost;
        if (!s.r[2])
            break;
        tt_cut_ranks(&s);
        error = tail0[s.r[1]] + tail2[s.r[2]];
        if (error < best->error)
            *best = (struct choice){error, s.r[1], s.r[2], s.big};
    }
}

/* Both sides' Gram matrices of the table in one order, and what they say. */
static enum status look(const struct fit *fit, const struct tt_shape *s, uint64_t limit, bool set,
                        double from, double to, struct choice *best, struct error *e)
{
    size_t m0 = s->n[0] * s->d[0], m2 = s->n[2] * s->d[2], longest = m0 > m2 ? m0 : m2;
    double *gram[2] = {NULL}, *tail[2] = {NULL}, *room = NULL;
    struct tt_slab slab = {0};
    enum status st = tt_slab_open(&slab, fit, s, e);

    if (st != ST_OK)
        goto out;
    gram[0] = mem_zero(m0 * m0, sizeof *gram[0]);
    gram[1] = mem_zero(m2 * m2, sizeof *gram[1]);
    tail[0] = mem_zero(m0 + 1, sizeof *tail[0]);
    tail[1] = mem_zero(m2 + 1, sizeof *tail[1]);
    room = mem_zero(longest, (GRAM_ROWS > GRAM_COLUMNS ? GRAM_ROWS : GRAM_COLUMNS) * sizeof *room);
    if (!gram[0] || !gram[1] || !tail[0] || !tail[1] || !room) {
        st = error_memory(e, "matrices of the study");
        goto out;
    }
    tt_slab_start(&slab, from, to);
    for (uint64_t i1 = 0; i1 < s->n[1]; i1++) {
        size_t rows = m0 * s->d[1];
        bool empty;

        if ((st = tt_slab_read(&slab, i1, &empty, e)) != ST_OK)
            goto out;
        if (empty)
            continue;
        gram_across(gram[0], m0, slab.x, s->d[1] * m2, room);
        for (size_t at = 0; at < rows; at += GRAM_ROWS)
            gram_add(gram[1], m2, slab.x + at * m2, NULL,
                     rows - at < GRAM_ROWS ? rows - at : GRAM_ROWS, room);
    }
    if ((st = tails(gram[0], m0, tail[0], e)) == ST_OK &&
        (st = tails(gram[1], m2, tail[1], e)) == ST_OK)
        choose(s, tail[0], tail[1], limit, set, best);
out:
    mem_free(room);
    mem_free(tail[1]);
    mem_free(tail[0]);
    mem_free(gram[1]);
    mem_free(gram[0]);
    tt_slab_close(&slab);
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
    struct choice best = {.error = INFINITY};
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
