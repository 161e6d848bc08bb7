/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of tt share. The table is seen as a train of three cores: an id has three digits,
   each picks a slice of one core, and the row is the product of the three slices

     A [d0][r1]   B [r1][d1][r2]   C [r2][d2]   e[(a d1 + b) d2 + c] = sum A[a,k] B[k,b,l] C[l,c]

   of which the first D elements count. */
#pragma once

#include "methods/plan.h"

enum { TT_N, TT_D, TT_R, TT_DIGIT_ORDER };
enum { TT_LITTLE, TT_BIG }; /* core 0 takes the least, or the most significant digit */
enum { TT_CORE0, TT_CORE1, TT_CORE2, TT_CACHE_IDS, TT_CACHE_WEIGHT };

/* What a lookup may cost. A rank is at most this; the columns of the train may be more than any
   table's because a rounded shape pads them. */
#define TT_RANK_MAX 4096
#define TT_COLUMNS_MAX (2 * (int64_t)METHOD_DIM_MAX)
#define TT_WORK_MAX ((uint64_t)1 << 30) /* multiply-adds a row: about a tenth of a second */

/* Floats of A B that are in hand at a time: at least one row of them, and few enough for a core's
   own cache. */
#define TT_TILE 16384

struct tt_shape {
    uint64_t n[3], d[3], r[4];
    bool big;
};
/* Of settings that passed tt_settings_check(). */
struct tt_shape tt_shape(const struct value *value);
/* The rules that hold between the settings; those that are not set are not looked at. */
MUST_CHECK enum status tt_settings_check(const struct value *value, uint64_t rows, uint32_t dim,
                                         struct error *e);
/* Numbers of a core, and of all three; UINT64_MAX beyond counting. */
uint64_t tt_core_floats(const struct tt_shape *s, unsigned core);
uint64_t tt_floats(const struct tt_shape *s);
/* Multiply-adds for a row. */
uint64_t tt_work(const struct tt_shape *s);

/* The places in the three cores of an id. */
static inline void tt_digits(const struct tt_shape *s, uint64_t id, uint64_t digit[3])
{
    unsigned low = s->big ? 2 : 0, high = 2 - low;
    uint64_t rest = id / s->n[low];

    digit[low] = id % s->n[low];
    digit[1] = rest % s->n[1];
    digit[high] = rest / s->n[1];
}

/* The place of an id among the cached ones. */
bool tt_cached(const struct parameters *p, uint64_t id, uint64_t *place);

/* The slices of a row. */
struct tt_slices {
    const float *a, *b, *c;
};
static inline struct tt_slices tt_slices(const struct parameters *p, const struct tt_shape *s,
                                         const uint64_t digit[3])
{
    const float *core[3] = {p->tensor[0].data, p->tensor[1].data, p->tensor[2].data};

    return (struct tt_slices){core[0] + digit[0] * s->d[0] * s->r[1],
                              core[1] + digit[1] * s->r[1] * s->d[1] * s->r[2],
                              core[2] + digit[2] * s->r[2] * s->d[2]};
}

/* How many pairs (a, b) a tile holds: `a` times `b`, and a > 1 only with all b. */
struct tt_tile {
    size_t a, b;
};
static inline struct tt_tile tt_tile(const struct tt_shape *s)
{
    struct tt_tile t = {1, TT_TILE / s->r[2]};

    if (t.b >= s->d[1]) {
        t.b = s->d[1];
        t.a = TT_TILE / (t.b * s->r[2]);
        t.a = t.a < s->d[0] ? t.a : s->d[0];
    }
    return t;
}

/* method->keep, rows, gradient, gradient_scratch, plan, share, author_words, init, explain */
void tt_keep(struct parameters *p, size_t most);
void tt_rows(const struct parameters *p, const uint64_t *row, size_t n, void *out);
void tt_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                 struct gradients *out);
size_t tt_gradient_scratch(const struct parameters *p, size_t rows);
MUST_CHECK enum status tt_plan(struct plan *plan, struct error *e);
MUST_CHECK enum status tt_share(struct layout *l, struct error *e);
double tt_author_words(const struct plan *plan);
MUST_CHECK enum status tt_init(const struct init *init, struct parameters *p, struct error *e);
void tt_explain(const struct parameters *p, uint64_t row, struct explanation *x);

/* Settle n, d and digit_order of a plan where they are open. */
MUST_CHECK enum status tt_plan_shape(struct plan *plan, struct error *e);
/* Set r of a plan, in place of what it was. */
MUST_CHECK enum status tt_plan_ranks(struct plan *plan, uint64_t r1, uint64_t r2, struct error *e);
/* Ranks above which nothing more can be said: cut both to them. */
void tt_cut_ranks(struct tt_shape *s);
