/* SPDX-License-Identifier: Apache-2.0 */
/* How a budget is spent on parts and vectors: of all divisors of the columns, all bits of a code
   and both packings the choice from which the best rows are expected. Once the codes are paid for,
   the rest of the budget buys vectors, as many as the bits can name. Fields have all of it in
   common.
 */
#include "methods/dpq.h"

#include <math.h>

#define PARTS_USUAL 8 /* the authors' defaults */
#define K_USUAL 32
#define K_FREE 256
/* Multiply-adds that looking for the nearest vectors may take a fit, two minutes of one core. A k
   above K_FREE that takes more is left to those who ask for it by name. One column is exempt: its
   nearest number is found without trying all of them. */
#define FIT_WORK 1e12
#define FIT_SAMPLE 256.0 /* rows a vector, and turns, of the training */
#define FIT_TURNS 25

static uint64_t choice_bytes(const struct plan *plan, const struct code_choice *c)
{
    bool shared = plan->value[DPQ_SHARED].set && plan->value[DPQ_SHARED].i;
    uint64_t row = c->packing == CODES_BITS ? code_bytes(c->parts, code_bits(c->k))
                                            : c->parts * (c->k <= 256 ? 1 : 2);

    return bytes_of(plan->rows, row,
                    c->k * (shared ? plan->dim / c->parts : plan->dim) * sizeof(float));
}

static double fit_work(double rows, double dim, double k)
{
    return k * dim * (FIT_TURNS * fmin(rows, FIT_SAMPLE * k) + 2 * rows);
}

/* The most vectors that the plan chooses by itself: with more than there are rows some would be
   idle. */
static uint64_t k_most(const struct code_scope *s, uint64_t parts)
{
    uint64_t k = CODES_MOST, rows = code_scope_rows(s);
    double dim = (double)s->part->dim;

    if (rows < k)
        k = rows ? rows : 1;
    while (k > K_FREE && parts < s->part->dim && fit_work((double)rows, dim, (double)k) > FIT_WORK)
        k = k / 2 > K_FREE ? k / 2 : K_FREE;
    return k;
}

/* The k that `bits` bits a code are for, [*least, *most]; false if there is none. */
static bool k_range(const struct code_scope *s, const struct code_choice *c, unsigned bits,
                    uint64_t *least, uint64_t *most)
{
    const struct value *k = &s->part->value[DPQ_K];
    uint64_t limit = k_most(s, c->parts);

    *most = (uint64_t)1 << bits;
    *least = bits ? *most / 2 + 1 : 1;
    if (c->packing == CODES_BYTES) {
        if (bits != 8 && bits != 16)
            return false;
        *least = bits == 8 ? 1 : 257;
    }
    if (k->set) {
        limit = (uint64_t)k->i;
        if (limit < *least || limit > *most)
            return false;
        *least = limit;
    }
    *most = *most < limit ? *most : limit;
    if (*least == 1 && *most > 1)
        *least = 2; /* one vector would make all rows the same */
    return *least <= *most && (*most > 1 || limit == 1);
}

/* The largest k in a range that the budget pays for; c->bytes above the budget if there is none. */
static void choice_make(const struct code_scope *s, uint64_t low, uint64_t high,
                        struct code_choice *c)
{
    c->k = high;
    if ((c->bytes = code_scope_bytes(s, c)) > s->budget) {
        while (high - low > 1) {
            c->k = low + (high - low) / 2;
            if (code_scope_bytes(s, c) <= s->budget)
                low = c->k;
            else
                high = c->k;
        }
        c->k = low;
        c->bytes = code_scope_bytes(s, c);
    }
    c->quality = codes_quality((double)c->k, (double)(s->part->dim / c->parts));
}

/* The best choice within the budget (quality -1: none), and the least bytes of any. */
static struct code_choice choose(const struct code_scope *s, uint64_t *least)
{
    const struct value *v = s->part->value;
    struct code_choice best = {.quality = -1};
    uint64_t parts = s->part->dim + (uint64_t)1, low, high;

    *least = UINT64_MAX;
    while ((parts = codes_divisor_below(s->part->dim, parts))) {
        if (v[DPQ_PARTS].set && parts != (uint64_t)v[DPQ_PARTS].i)
            continue;
        for (int64_t packing = CODES_BYTES; packing <= CODES_BITS; packing++)
            for (unsigned bits = 0; bits <= 16; bits++) {
                struct code_choice c = {.parts = parts, .packing = packing};

                if ((v[DPQ_PACKING].set && packing != v[DPQ_PACKING].i) ||
                    !k_range(s, &c, bits, &low, &high))
                    continue;
                choice_make(s, low, high, &c);
                *least = c.bytes < *least ? c.bytes : *least;
                if (c.bytes <= s->budget && code_choice_better(&c, &best))
                    best = c;
            }
    }
    return best;
}

/* Without a budget: the authors' defaults, as far as rows and columns go. */
static struct code_choice usual(const struct plan *plan)
{
    struct code_choice c = {.parts = plan->dim + (uint64_t)1, .k = K_USUAL};

    do
        c.parts = codes_divisor_below(plan->dim, c.parts);
    while (c.parts > PARTS_USUAL);
    if (c.k > plan->rows)
        c.k = plan->rows ? plan->rows : 1;
    return c;
}

static void take(struct plan *plan, const struct code_choice *c)
{
    plan_choose(plan, DPQ_PARTS, (int64_t)c->parts);
    plan_choose(plan, DPQ_K, (int64_t)c->k);
    plan_choose(plan, DPQ_SHARED, false);
    plan_choose(plan, DPQ_PACKING, c->packing);
}

enum status dpq_plan(struct plan *plan, struct error *e)
{
    struct code_scope s = code_scope_of(plan);
    struct value *v = plan->value;
    struct code_choice c;
    uint64_t least, bytes;
    enum status st;

    s.bytes = choice_bytes;
    if ((st = codes_parts_check(plan, DPQ_PARTS, e)) != ST_OK)
        return st;
    c = plan->budget ? choose(&s, &least) : usual(plan);
    if (c.quality < 0)
        return plan_refuse(plan, least, e);
    take(plan, &c);
    plan->dtypes[DPQ_CODES] = code_dtype((uint64_t)v[DPQ_K].i);
    if (v[DPQ_PACKING].i == CODES_BYTES)
        return ST_OK;
    bytes = code_bytes((uint64_t)v[DPQ_PARTS].i, code_bits((uint64_t)v[DPQ_K].i));
    return plan_size(plan, "row_bytes", bytes, e);
}

enum status dpq_share(struct layout *l, struct error *e)
{
    struct code_scope s = code_scope_of_fields(l);
    struct code_choice c;
    enum status st;
    uint64_t least;

    if (!l->part_count)
        return ST_OK;
    s.bytes = choice_bytes;
    if ((st = codes_parts_check(l->part, DPQ_PARTS, e)) != ST_OK)
        return st;
    c = choose(&s, &least);
    if (c.quality < 0)
        return layout_refuse(l, least, e);
    for (size_t i = 0; i < l->part_count; i++)
        if (!codes_stay_full(l, i, choice_bytes(&l->part[i], &c)))
            take(&l->part[i], &c);
    return ST_OK;
}

/* A word for each code, and the codebook. */
double dpq_author_words(const struct plan *plan)
{
    return (double)plan->rows * (double)plan->value[DPQ_PARTS].i +
           (double)plan->value[DPQ_K].i * plan->dim;
}
