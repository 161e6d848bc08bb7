/* SPDX-License-Identifier: Apache-2.0 */
/* How many collisions fit a budget. With R of them the tables have ceil(N/R) and R rows; the fewer,
   the closer the fit, so the smallest R within the budget is taken. Fields have theirs from
   compo_share.c. */
#include "methods/compo.h"

#include <math.h>

static uint64_t q_rows(const struct compo_sizes *s, uint64_t collisions)
{
    return s->rows ? compo_quotient(s->rows - 1, collisions, s->quotient) + 1 : 0;
}

uint64_t compo_floats(const struct compo_sizes *s, uint64_t collisions)
{
    uint64_t q, r;

    if (__builtin_mul_overflow(q_rows(s, collisions), s->q_dim, &q) ||
        __builtin_mul_overflow(collisions, s->r_dim, &r) || __builtin_add_overflow(q, r, &q))
        return UINT64_MAX;
    return q;
}

/* Between these R lies every one with N/R * q_dim + R * r_dim <= limit: the roots of a quadratic,
   taken a little wider than they are computed. False if there is none. */
static bool bracket(const struct compo_sizes *s, double limit, uint64_t *low, uint64_t *high)
{
    double n = (double)s->rows, q = (double)s->q_dim, r = (double)s->r_dim;
    double root = limit * limit - 4 * n * q * r, from, to;

    if (root < 0)
        return false;
    to = (limit + sqrt(root)) / (2 * r) * (1 + 1e-6) + 2;
    from = 2 * n * q / (limit + sqrt(root)) * (1 - 1e-6) - 2;
    *low = from >= 1 ? (uint64_t)from : 1; /* NaN too, from 0 rows and no room */
    *high = to < 0x1p62 ? (uint64_t)to : (uint64_t)1 << 62;
    return true;
}

/* The smallest R with at most `limit` floats; 0 if there is none. The scan is short: the bracket
   ignores only that quotients are rounded up, so its lower end is near the answer, and where there
   is no answer the bracket itself is narrow. */
static uint64_t fewest_collisions(const struct compo_sizes *s, uint64_t limit)
{
    uint64_t low, high;

    if (bracket(s, (double)limit, &low, &high))
        for (uint64_t r = low; r <= high; r++)
            if (compo_floats(s, r) <= limit)
                return r;
    return 0;
}

/* The best R is within one row of the real-valued minimum. */
uint64_t compo_fewest_floats(const struct compo_sizes *s, uint64_t *collisions)
{
    double least = 2 * sqrt((double)s->rows * (double)s->q_dim * (double)s->r_dim);
    uint64_t low, high, best = UINT64_MAX;

    *collisions = 1;
    if (bracket(s, least + (double)s->q_dim + (double)s->r_dim, &low, &high))
        for (uint64_t r = low; r <= high; r++) {
            uint64_t need = compo_floats(s, r);

            if (need < best) {
                best = need;
                *collisions = r;
            }
        }
    return best;
}

/* ceil(sqrt(n)), at least 1. */
static uint64_t root_up(uint64_t n)
{
    uint64_t r = (uint64_t)sqrt((double)n);

    while (r * r >= n && r > 0)
        r--;
    while (r * r < n)
        r++;
    return r ? r : 1;
}

enum status compo_sizes(struct plan *plan, struct compo_sizes *s, struct error *e)
{
    struct value *v = plan->value;

    plan_choose(plan, COMPO_OP, COMPO_MULT);
    plan_choose(plan, COMPO_QUOTIENT, COMPO_INT);
    *s = (struct compo_sizes){.rows = plan->rows,
                              .q_dim = plan->dim,
                              .r_dim = plan->dim,
                              .quotient = v[COMPO_QUOTIENT].i};
    if (v[COMPO_OP].i != COMPO_CONCAT)
        return ST_OK;
    if (plan->dim < 2)
        return error_set(e, ST_INVALID, "op=concat needs at least 2 columns");
    s->q_dim = (plan->dim + 1) / 2;
    s->r_dim = plan->dim / 2;
    return ST_OK;
}

enum status compo_plan(struct plan *plan, struct error *e)
{
    struct value *v = plan->value;
    uint64_t collisions, need;
    struct compo_sizes s;
    enum status st;

    if ((st = compo_sizes(plan, &s, e)) != ST_OK)
        return st;
    if (!v[COMPO_COLLISIONS].set) {
        if (!plan->budget) {
            collisions = root_up(plan->rows);
        } else if (!(collisions = fewest_collisions(&s, plan->budget / sizeof(float)))) {
            need = compo_fewest_floats(&s, &collisions);
            return plan_refuse(plan, need > UINT64_MAX / 4 ? UINT64_MAX : need * 4, e);
        }
        plan_choose(plan, COMPO_COLLISIONS, (int64_t)collisions);
    }
    collisions = (uint64_t)v[COMPO_COLLISIONS].i;
    if ((st = plan_size(plan, "Q", q_rows(&s, collisions), e)) != ST_OK ||
        (st = plan_size(plan, "DQ", s.q_dim, e)) != ST_OK)
        return st;
    return plan_size(plan, "DR", s.r_dim, e);
}

/* (Q + R) rows; with concat each has its own width. */
double compo_author_words(const struct plan *plan)
{
    uint64_t q = 0, q_dim = 0, r_dim = 0;

    (void)symbols_get(&plan->size, "Q", 1, &q);
    (void)symbols_get(&plan->size, "DQ", 2, &q_dim);
    (void)symbols_get(&plan->size, "DR", 2, &r_dim);
    return (double)q * (double)q_dim + (double)plan->value[COMPO_COLLISIONS].i * (double)r_dim;
}
