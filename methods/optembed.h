/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of optembed share. Rows that matter little are left out, and those of a field are
   as wide as the field needs. Two forms: a remap names the row of emb for each id, and rows keep
   all columns; or a bitmap tells which ids have a row, and rows are no wider than they need. */
#pragma once

#include "methods/plan.h"

enum { OPTEMBED_FORM };
enum { OPTEMBED_REMAP_FORM, OPTEMBED_COMPACT_FORM };
enum { OPTEMBED_EMB, OPTEMBED_REMAP, OPTEMBED_CANDIDATE, OPTEMBED_KEPT };

#define OPTEMBED_PRUNED UINT64_MAX

/* p->state */
struct optembed_state {
    uint64_t *rank;   /* compact: kept ids before each OPTEMBED_BLOCK of them */
    uint16_t *widest; /* remap, widths differ: of each row of emb its widest user's width, less 1 */
    uint32_t most;    /* remap: the largest width */
};
#define OPTEMBED_BLOCK 64 /* a word of the bitmap */

/* Bytes of the bitmap. */
static inline uint64_t optembed_bitmap(uint64_t rows)
{
    return rows / 8 + (rows % 8 != 0);
}

/* The row of emb that a row has, or OPTEMBED_PRUNED; of parameters that passed the check. */
uint64_t optembed_place(const struct parameters *p, uint64_t row);
/* Columns that count for a row. */
uint32_t optembed_width(const struct parameters *p, uint64_t row);

/* The `k` largest of `n` scores (>= 0, not NaN), and of equal ones the first. */
struct cutoff {
    uint32_t bits; /* of the smallest score that is kept */
    uint64_t ties; /* how many of that score are still to be kept */
};
struct cutoff cutoff_find(const float *score, uint64_t n, uint64_t k);
/* Whether the next score, in order, is among them. */
bool cutoff_keeps(struct cutoff *c, float score);
/* Write the place of a row in emb, or that it is pruned, into remap or kept, which begin zeroed. */
void optembed_mark(struct parameters *p, uint64_t row, uint64_t place);
/* Write candidate, if there is one: all columns count. */
void optembed_all_columns(struct parameters *p);

/* method->check and release, gradient, units, init, plan. */
MUST_CHECK enum status optembed_check(struct parameters *p, struct error *e);
void optembed_release(struct parameters *p);
void optembed_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                       struct gradients *out);
void optembed_unit_place(const struct parameters *p, unsigned tensor, uint64_t unit,
                         uint64_t *first, size_t *n);
size_t optembed_unit_most(const struct parameters *p, unsigned tensor);
MUST_CHECK enum status optembed_init(const struct init *init, struct parameters *p,
                                     struct error *e);
MUST_CHECK enum status optembed_plan(struct plan *plan, struct error *e);
