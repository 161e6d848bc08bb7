/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of adapt share. Frequent ids have a row of their own, rare ones share rows; which
   is which says a map of all ids, or a list of the frequent ones. */
#pragma once

#include "methods/init.h"
#include "methods/plan.h"

enum { ADAPT_REMAP, ADAPT_RARE_HASH };
enum { ADAPT_DENSE, ADAPT_HOT_LIST };
enum { ADAPT_LOW_RANK, ADAPT_ID_MOD };
enum { ADAPT_FREQ, ADAPT_RARE, ADAPT_MAP, ADAPT_HOT_IDS };

/* Where an id's row is: a row of freq if `hot`, else of rare. */
struct adapt_place {
    bool hot;
    uint64_t row;
};
/* Places of ids of parameters that passed their check. */
struct adapt_place adapt_place(const struct parameters *p, uint64_t id);

/* Writing the index: all ids in their order, each said to be hot or not. adapt_write() returns the
   place that the id has got. */
struct adapt_writer {
    struct parameters *p;
    uint64_t id, hot; /* so many were written, so many of them hot */
};
struct adapt_place adapt_write(struct adapt_writer *w, bool hot);

/* Bytes of a plan: the index without a hot row, and each hot row with its entry; each rare row has
   D floats. Settles the settings. */
struct adapt_costs {
    uint64_t fixed, hot, rare;
};
struct adapt_costs adapt_costs(struct plan *plan);
/* Rare rows that the budget leaves beside so many hot ones, at most one for each id. */
uint64_t adapt_rare_rows(const struct plan *plan, const struct adapt_costs *c, uint64_t hot);

MUST_CHECK enum status adapt_plan(struct plan *plan, struct error *e);
double adapt_author_words(const struct plan *plan);
MUST_CHECK enum status adapt_init(const struct init *init, struct parameters *p, struct error *e);
void adapt_explain(const struct parameters *p, uint64_t row, struct explanation *x);
