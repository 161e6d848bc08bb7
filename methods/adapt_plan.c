/* SPDX-License-Identifier: Apache-2.0 */
/* The budget of adapt, the writing of its index, random rows to train from, and what there is to
   tell of a row. One thread. */
#include "methods/adapt.h"

#include "methods/explain.h"
#include "methods/top_rows.h"

#define TOP 10 /* without a look at the table, every tenth id is hot, as the authors have it */

struct adapt_costs adapt_costs(struct plan *plan)
{
    uint64_t row = (uint64_t)plan->dim * sizeof(float);
    bool wide = plan->rows > (uint64_t)1 << 32;

    /* the list, since its bytes count */
    plan_choose(plan, ADAPT_REMAP, ADAPT_HOT_LIST);
    if (plan->value[ADAPT_REMAP].i == ADAPT_DENSE)
        return (struct adapt_costs){plan->rows * sizeof(int32_t), row, row};
    plan_choose(plan, ADAPT_RARE_HASH, ADAPT_LOW_RANK);
    plan->dtypes[ADAPT_HOT_IDS] = wide ? DT(U64) : DT(U32);
    return (struct adapt_costs){0, row + (wide ? sizeof(uint64_t) : sizeof(uint32_t)), row};
}

uint64_t adapt_rare_rows(const struct plan *plan, const struct adapt_costs *c, uint64_t hot)
{
    uint64_t left = plan->rows - hot, afford = (plan->budget - c->fixed - hot * c->hot) / c->rare;

    return afford < left ? afford : left;
}

/* Rows that the study of a table did not settle. */
static void choose_rows(const struct plan *plan, const struct adapt_costs *c, uint64_t *hot,
                        uint64_t *rare)
{
    uint64_t most;

    *hot = (plan->rows + TOP - 1) / TOP;
    if (!plan->budget) {
        *rare = *hot;
        return;
    }
    most = (plan->budget - c->fixed) / 2 / c->hot; /* not more than half of it */
    *hot = *hot < most ? *hot : most;
    if ((plan->budget - c->fixed) / c->rare >= plan->rows)
        *hot = 0; /* every id has a row without being hot, and needs no entry */
    *rare = adapt_rare_rows(plan, c, *hot);
}

enum status adapt_plan(struct plan *plan, struct error *e)
{
    struct adapt_costs c = adapt_costs(plan);
    uint64_t hot, rare;
    enum status st;

    if (plan->value[ADAPT_REMAP].i == ADAPT_DENSE && plan->rows > (uint64_t)1 << 31)
        return error_set(e, ST_INVALID, "remap=dense is for at most 2^31 rows");
    if (symbols_get(&plan->size, "H", 1, &hot) && symbols_get(&plan->size, "L", 1, &rare))
        return ST_OK;
    if (plan->budget && plan->budget < c.fixed + (plan->rows ? c.rare : 0))
        return plan_refuse(plan, c.fixed + (plan->rows ? c.rare : 0), e);
    choose_rows(plan, &c, &hot, &rare);
    st = plan_size(plan, "H", hot, e);
    return st == ST_OK ? plan_size(plan, "L", rare, e) : st;
}

/* The rows alone: the authors do not count their index. */
double adapt_author_words(const struct plan *plan)
{
    uint64_t hot = 0, rare = 0;

    (void)symbols_get(&plan->size, "H", 1, &hot);
    (void)symbols_get(&plan->size, "L", 1, &rare);
    return ((double)hot + (double)rare) * plan->dim;
}

struct adapt_place adapt_write(struct adapt_writer *w, bool hot)
{
    uint64_t id = w->id++, low = id - w->hot, rare = w->p->tensor[ADAPT_RARE].shape[0];
    struct parameters *p = w->p;

    if (p->value[ADAPT_REMAP].i == ADAPT_DENSE)
        ((int32_t *)p->tensor[ADAPT_MAP].data)[id] = hot ? (int32_t)w->hot : (int32_t)~low;
    else if (hot && p->tensor[ADAPT_HOT_IDS].dtype == DT_U32)
        ((uint32_t *)p->tensor[ADAPT_HOT_IDS].data)[w->hot] = (uint32_t)id;
    else if (hot)
        ((uint64_t *)p->tensor[ADAPT_HOT_IDS].data)[w->hot] = id;
    if (hot)
        return (struct adapt_place){true, w->hot++};
    if (p->value[ADAPT_REMAP].i == ADAPT_HOT_LIST && p->value[ADAPT_RARE_HASH].i == ADAPT_ID_MOD)
        low = id;
    return (struct adapt_place){false, low % rare};
}

/* The ids of the greatest weight are hot, or the first ones if nobody knows. */
enum status adapt_init(const struct init *init, struct parameters *p, struct error *e)
{
    struct top_rows top = top_rows(init->weight, p->rows, p->tensor[ADAPT_FREQ].shape[0]);
    struct adapt_writer w = {.p = p};

    (void)e;
    for (uint64_t id = 0; id < p->rows; id++)
        (void)adapt_write(&w, top_take(&top, init->weight ? init->weight[id] : 0));
    init_normal(init, &p->tensor[ADAPT_FREQ], init_deviation(init));
    init_normal(init, &p->tensor[ADAPT_RARE], init_deviation(init));
    return ST_OK;
}

/* Other ids of the same place: those of the same remainder, less the hot ones among them; or
   counted one by one where a map may say anything. */
static uint64_t sharers(const struct parameters *p, uint64_t row, struct adapt_place at,
                        const struct explanation *x)
{
    uint64_t hot = p->tensor[ADAPT_FREQ].shape[0], rare = p->tensor[ADAPT_RARE].shape[0];
    bool dense = p->value[ADAPT_REMAP].i == ADAPT_DENSE, by_id;
    uint64_t count = 0;

    by_id = !dense && p->value[ADAPT_RARE_HASH].i == ADAPT_ID_MOD;
    if (!dense && at.hot)
        return 0;
    if (!dense && !by_id)
        return (p->rows - hot - 1 - at.row) / rare;
    if (!explain_may_scan(x, p->rows))
        return SHARERS_UNKNOWN;
    for (uint64_t id = dense ? 0 : at.row; id < p->rows; id += dense ? 1 : rare) {
        struct adapt_place other = adapt_place(p, id);

        count += id != row && other.hot == at.hot && other.row == at.row;
    }
    return count;
}

void adapt_explain(const struct parameters *p, uint64_t row, struct explanation *x)
{
    struct adapt_place at = adapt_place(p, row);

    explain_text(x, "kind", at.hot ? "frequent" : "rare");
    explain_cells(x, p, at.hot ? ADAPT_FREQ : ADAPT_RARE, at.row, 0, p->dim,
                  sharers(p, row, at, x));
}
