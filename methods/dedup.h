/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of dedup share. The table is cut into blocks of bx rows by by columns; of alike
   ones one is kept, and a map says which block stands at each place. */
#pragma once

#include "methods/init.h"
#include "methods/plan.h"

enum { DEDUP_BX, DEDUP_BY, DEDUP_NBX, DEDUP_NBY, DEDUP_UPDATE };
enum { DEDUP_SHARED, DEDUP_FROZEN };
enum { DEDUP_BLOCKS, DEDUP_MAP };

/* How a table is cut. Places are numbered row by row: place = down * across_count + across. */
struct dedup_cut {
    uint64_t bx, by;   /* of a block */
    uint64_t nbx, nby; /* places down and across; the last ones may be padded */
};
struct dedup_cut dedup_cut(uint64_t rows, uint32_t dim, uint64_t bx, uint64_t by);
struct dedup_cut dedup_cut_of(const struct parameters *p);

/* Blocks that the budget leaves beside the map, at most one for each place; 0 if not even one. The
   settings are settled. */
uint64_t dedup_affordable(const struct plan *plan);
/* Settle how the table is cut, within the budget. */
MUST_CHECK enum status dedup_settle(struct plan *plan, struct error *e);

MUST_CHECK enum status dedup_plan(struct plan *plan, struct error *e);
double dedup_author_words(const struct plan *plan);
MUST_CHECK enum status dedup_init(const struct init *init, struct parameters *p, struct error *e);
void dedup_explain(const struct parameters *p, uint64_t row, struct explanation *x);
