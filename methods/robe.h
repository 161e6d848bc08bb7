/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of robe share. A row is cut into blocks, and each block is a run of cells of one
   array; where it begins is an affine hash of the id and the block. */
#pragma once

#include "base/divide.h"
#include "methods/init.h"
#include "methods/plan.h"

enum { ROBE_VARIANT, ROBE_BLOCK, ROBE_USE_SLOT, ROBE_SIGNS, ROBE_SLOT_OF_FIELD, ROBE_VAL_OFFSET };
enum { ROBE_HETU, ROBE_UMA };
enum { ROBE_ARRAY, ROBE_RAND };

#define ROBE_NUMBERS 10       /* that a plan gives `rand` */
#define ROBE_HETU_NUMBERS 9   /* that the hetu variant reads: P, Dh, Ch, Bh, Ah, Dg, Cg, Bg, Ag */
#define ROBE_UMA_NUMBERS 4    /* that the uma variant reads: P, A, B, C */
#define ROBE_SLOT_MAX 1048575 /* so that no sum passes 2^63 */

/* What is the same for all rows. Sums stay below 2^63: coefficients, P and the rows are below 2^31,
   blocks and columns at most 2^16, slots below 2^20. */
struct robe {
    bool hetu, signs;
    uint32_t prime;
    uint32_t cells;                                      /* of the array */
    struct divider places;                               /* where a block may begin */
    uint32_t row, start, step, slot;                     /* coefficients of the blocks' hash */
    uint32_t sign_row, sign_start, sign_step, sign_slot; /* and of the signs' */
    uint64_t offset;                                     /* val_offset */
    size_t block, dim;
    const struct fields *fields; /* of use_slot, else NULL */
    const int64_t *slot_of_field;
};

/* The hash with the numbers `rand`: those of the parameters, or others that a fit tries. */
struct robe robe_of(const struct parameters *p, const int64_t *rand);
/* Draw the numbers of the `turn`-th attempt. */
void robe_draw(const struct parameters *p, uint64_t seed, unsigned turn, int64_t *rand);

/* On the way through a row. */
struct robe_walk {
    uint32_t term;  /* of the next cell, before the second modulus */
    uint32_t first; /* of the block's first cell */
    uint32_t sign;  /* of the row's first column */
    size_t column;
    size_t left; /* of the block */
};
struct robe_walk robe_begin(const struct robe *m, uint64_t row);

/* a + b mod m, for a and b below m <= 2^31. */
static inline uint32_t robe_add(uint32_t a, uint32_t b, uint32_t m)
{
    uint32_t sum = a + b, less = sum - m;

    return less < sum ? less : sum;
}

/* For kernels->f32_signs(): [SIGNS_TURN + 1]. */
void robe_sign_multiples(const struct robe *m, uint32_t *multiple);

/* Where a term is in the array: its remainder. */
static inline uint32_t robe_place(const struct robe *m, uint32_t term)
{
    return (uint32_t)remainder_of(&m->places, term);
}

/* The longest run of neighbouring cells from here on: columns [w->column, + n) are the cells
   [*cell, + n). Returns n, 0 at the end of the row. */
static inline size_t robe_run(const struct robe *m, struct robe_walk *w, size_t *cell)
{
    size_t n = m->dim - w->column, at = robe_place(m, w->term);

    if (!n)
        return 0;
    n = n < w->left ? n : w->left;
    if (m->hetu) { /* a block goes on at cell 0 behind the last one, and where the terms do */
        n = n < m->cells - at ? n : m->cells - at;
        n = n < m->prime - w->term ? n : m->prime - w->term;
        w->term = robe_add(w->term, (uint32_t)n, m->prime);
    }
    w->column += n;
    w->left -= n;
    if (!w->left) {
        w->first = w->term = robe_add(w->first, m->step, m->prime);
        w->left = m->block;
    }
    *cell = at;
    return n;
}

void robe_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                   struct gradients *out);
size_t robe_gradient_scratch(const struct parameters *p, size_t rows);
size_t robe_touched(const struct parameters *p, unsigned tensor, size_t rows);
MUST_CHECK enum status robe_plan(struct plan *plan, struct error *e);
double robe_author_words(const struct plan *plan);
MUST_CHECK enum status robe_init(const struct init *init, struct parameters *p, struct error *e);
void robe_explain(const struct parameters *p, uint64_t row, struct explanation *x);
