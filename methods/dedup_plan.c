/* SPDX-License-Identifier: Apache-2.0 */
/* The budget of dedup, random blocks to train from, and what there is to tell of a row. One thread.
 */
#include "methods/dedup.h"

#include <math.h>

#include "base/memory.h"
#include "methods/explain.h"

#define MAP_SHARE 4         /* the map takes at most this part of the budget, where that can be */
#define SEARCH_MOST 1000000 /* block lengths that are looked at to find the least need */
#define PIECES_TOLD 32      /* pieces of a row that are told one by one */

/* Bytes with so many blocks; UINT64_MAX if they are more than can be counted. */
static uint64_t bytes_of(const struct dedup_cut *cut, uint64_t blocks)
{
    uint64_t map, all;

    if (__builtin_mul_overflow(cut->nbx, cut->nby, &map) ||
        __builtin_mul_overflow(cut->bx, cut->by, &all) ||
        __builtin_mul_overflow(all, blocks, &all) || __builtin_add_overflow(all, map, &all) ||
        __builtin_mul_overflow(all, sizeof(float), &all))
        return UINT64_MAX;
    return all;
}

static struct dedup_cut cut_of(const struct plan *plan, uint64_t bx)
{
    return dedup_cut(plan->rows, plan->dim, bx, (uint64_t)plan->value[DEDUP_BY].i);
}

/* What one block takes, with its map. */
static uint64_t need_of(const struct plan *plan, uint64_t bx)
{
    struct dedup_cut cut = cut_of(plan, bx);

    return bytes_of(&cut, plan->rows != 0);
}

/* The length of blocks that needs the least: near the root where map and block are alike. */
static uint64_t frugal_length(const struct plan *plan)
{
    struct dedup_cut cut = cut_of(plan, 1);
    double root = sqrt((double)plan->rows * (double)cut.nby / (double)cut.by);
    double reach = sqrt(root * ((double)cut.nby / (double)cut.by + 1)) + 2;
    uint64_t low, best;

    reach = reach < SEARCH_MOST / 2 ? reach : SEARCH_MOST / 2;
    low = root - reach > 1 ? (uint64_t)(root - reach) : 1;
    best = low;
    for (uint64_t bx = low; bx <= low + (uint64_t)(2 * reach) + 1 && bx <= plan->rows; bx++)
        if (need_of(plan, bx) < need_of(plan, best))
            best = bx;
    return best;
}

/* The shortest blocks whose map leaves most of the budget to the blocks. */
static uint64_t choose_length(const struct plan *plan)
{
    uint64_t share = plan->budget / MAP_SHARE / sizeof(int32_t), across = cut_of(plan, 1).nby, bx;

    if (!plan->budget || !plan->rows)
        return 1;
    if (share < across)
        return frugal_length(plan);
    bx = (plan->rows - 1) / (share / across) + 1; /* nbx <= share / across */
    return need_of(plan, bx) <= plan->budget ? bx : frugal_length(plan);
}

enum status dedup_settle(struct plan *plan, struct error *e)
{
    struct value *v = plan->value;
    struct dedup_cut cut;
    uint64_t need;

    plan_choose(plan, DEDUP_BY, plan->dim);
    if (!v[DEDUP_BX].set)
        plan_choose(plan, DEDUP_BX, (int64_t)choose_length(plan));
    cut = cut_of(plan, (uint64_t)v[DEDUP_BX].i);
    if ((v[DEDUP_NBX].set && (uint64_t)v[DEDUP_NBX].i != cut.nbx) ||
        (v[DEDUP_NBY].set && (uint64_t)v[DEDUP_NBY].i != cut.nby))
        return error_set(e, ST_INVALID, "nbx and nby must be %llu and %llu with these blocks",
                         (unsigned long long)cut.nbx, (unsigned long long)cut.nby);
    need = bytes_of(&cut, plan->rows != 0);
    return plan->budget && need > plan->budget ? plan_refuse(plan, need, e) : ST_OK;
}

uint64_t dedup_affordable(const struct plan *plan)
{
    struct dedup_cut cut = cut_of(plan, (uint64_t)plan->value[DEDUP_BX].i);
    uint64_t places = cut.nbx * cut.nby, left;

    left = INT32_MAX; /* of what a map can name */
    if (plan->budget && places)
        left = (plan->budget - places * sizeof(int32_t)) / (cut.bx * cut.by * sizeof(float));
    left = left < INT32_MAX ? left : INT32_MAX;
    return left < places ? left : places;
}

enum status dedup_plan(struct plan *plan, struct error *e)
{
    enum status st = dedup_settle(plan, e);
    struct dedup_cut cut;
    uint64_t places;

    if (st != ST_OK)
        return st;
    cut = cut_of(plan, (uint64_t)plan->value[DEDUP_BX].i);
    if (__builtin_mul_overflow(cut.nbx, cut.nby, &places))
        return error_set(e, ST_EXHAUSTED, "tensor \"map\" is larger than memory");
    if ((st = plan_size(plan, "B", places, e)) != ST_OK)
        return st;
    return plan_size(plan, "U", dedup_affordable(plan), e);
}

double dedup_author_words(const struct plan *plan)
{
    uint64_t blocks = 0, places = 0;

    (void)symbols_get(&plan->size, "U", 1, &blocks);
    (void)symbols_get(&plan->size, "B", 1, &places);
    return (double)blocks * (double)plan->value[DEDUP_BX].i * (double)plan->value[DEDUP_BY].i +
           (double)places;
}

/* Places take the blocks in turns. */
enum status dedup_init(const struct init *init, struct parameters *p, struct error *e)
{
    uint64_t blocks = p->tensor[DEDUP_BLOCKS].shape[0];
    int32_t *map = p->tensor[DEDUP_MAP].data;

    (void)e;
    for (size_t i = 0; i < p->tensor[DEDUP_MAP].count; i++)
        map[i] = (int32_t)(i % blocks);
    init_normal(init, &p->tensor[DEDUP_BLOCKS], init_deviation(init));
    return ST_OK;
}

/* Other rows that read the same row of a block, anywhere in them. */
static uint64_t sharers(const struct parameters *p, const struct dedup_cut *cut, uint64_t row,
                        int32_t block)
{
    const int32_t *map = p->tensor[DEDUP_MAP].data;
    uint64_t count = 0, inner = row % cut->bx;

    for (uint64_t down = 0; down < cut->nbx; down++) {
        bool met = false;

        for (uint64_t across = 0; across < cut->nby; across++)
            met = met || map[down * cut->nby + across] == block;
        count += met && down * cut->bx + inner < p->rows;
    }
    return count - 1;
}

static void tell_list(const struct parameters *p, const struct dedup_cut *cut, uint64_t row,
                      struct explanation *x)
{
    const int32_t *map = (const int32_t *)p->tensor[DEDUP_MAP].data + row / cut->bx * cut->nby;
    int64_t *list = mem_zero(cut->nby, sizeof *list);

    if (!list) {
        x->status = ST_EXHAUSTED;
        return;
    }
    for (uint64_t across = 0; across < cut->nby; across++)
        list[across] = map[across];
    explain_numbers(x, "blocks", list, cut->nby);
    mem_free(list);
}

void dedup_explain(const struct parameters *p, uint64_t row, struct explanation *x)
{
    const int32_t *map = p->tensor[DEDUP_MAP].data;
    struct dedup_cut cut = dedup_cut_of(p);
    uint64_t scan;
    bool counted;

    explain_number(x, "place down", (int64_t)(row / cut.bx));
    explain_number(x, "row of the block", (int64_t)(row % cut.bx));
    if (cut.nby > PIECES_TOLD) {
        tell_list(p, &cut, row, x);
        return;
    }
    counted = !__builtin_mul_overflow(p->tensor[DEDUP_MAP].count, cut.nby, &scan) &&
              explain_may_scan(x, scan);
    for (uint64_t across = 0, at = 0; across < cut.nby; across++, at += cut.by) {
        int32_t block = map[row / cut.bx * cut.nby + across];
        size_t width = p->dim - at < cut.by ? p->dim - at : cut.by;

        explain_cells(x, p, DEDUP_BLOCKS, (uint64_t)block, row % cut.bx * cut.by, width,
                      counted ? sharers(p, &cut, row, block) : SHARERS_UNKNOWN);
    }
}
