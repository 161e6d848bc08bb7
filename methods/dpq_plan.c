/* SPDX-License-Identifier: Apache-2.0 */
/* How a budget is spent on parts and vectors: of all divisors of the columns, all bits of a code
   and both packings the choice from which the best rows are expected. Once the codes are paid for,
   the rest of the budget buys vectors, as many as the bits can name. */
#include "methods/dpq.h"

#include <math.h>

#define PARTS_USUAL 8 /* the authors' defaults */
#define K_USUAL 32
#define K_FREE 256
/* Multiply-adds that looking for the nearest vectors may take a fit, some minutes of one core. A k
   above K_FREE that takes more is left to those who ask for it by name. One column is exempt: its
   nearest number is found without trying all of them. */
#define FIT_WORK 3e12
#define FIT_SAMPLE 256.0 /* rows a vector, and turns, of the training */
#define FIT_TURNS 25

static uint64_t vector_bytes(const struct plan *plan, uint64_t parts)
{
    bool shared = plan->value[DPQ_SHARED].set && plan->value[DPQ_SHARED].i;

    return (shared ? plan->dim / parts : plan->dim) * sizeof(float);
}

static double fit_work(const struct plan *plan, double k)
{
    double rows = (double)plan->rows;

    return k * plan->dim * (FIT_TURNS * fmin(rows, FIT_SAMPLE * k) + 2 * rows);
}

/* The most vectors that the plan chooses by itself: with more than there are rows some would be
   idle. */
static uint64_t k_most(const struct plan *plan, uint64_t parts)
{
    uint64_t k = CODES_MOST;

    if (plan->rows < k)
        k = plan->rows ? plan->rows : 1;
    while (k > K_FREE && parts < plan->dim && fit_work(plan, (double)k) > FIT_WORK)
        k = k / 2 > K_FREE ? k / 2 : K_FREE;
    return k;
}

/* The best k for so many parts and codes of `bits` bits; false if these bits are too few or too
   many, or the budget does not pay for them. c->bytes is then what the least k would take. */
static bool choice_make(const struct plan *plan, unsigned bits, struct code_choice *c)
{
    const struct value *v = plan->value;
    uint64_t row = c->packing == CODES_BITS ? code_bytes(c->parts, bits) : c->parts * (bits / 8);
    uint64_t codes = bytes_of(plan->rows, row, 0), one = vector_bytes(plan, c->parts);
    uint64_t most = (uint64_t)1 << bits, least = bits ? most / 2 + 1 : 1, paid;

    if (c->packing == CODES_BYTES) {
        if (bits != 8 && bits != 16)
            return false;
        least = bits == 8 ? 1 : 257;
    }
    if (v[DPQ_K].set) {
        if ((uint64_t)v[DPQ_K].i < least || (uint64_t)v[DPQ_K].i > most)
            return false;
        least = most = (uint64_t)v[DPQ_K].i;
    } else {
        uint64_t limit = k_most(plan, c->parts);

        most = most < limit ? most : limit;
        if (least == 1 && limit > 1)
            least = 2; /* one vector would make all rows the same */
        if (least > most)
            return false;
    }
    c->bytes = bytes_of(least, one, codes);
    if (c->bytes > plan->budget)
        return true;
    paid = (plan->budget - codes) / one;
    c->k = paid < most ? paid : most;
    c->bytes = codes + c->k * one;
    c->quality = codes_quality((double)c->k, (double)(plan->dim / c->parts));
    return true;
}

/* The best choice within the budget (quality -1: none), and the least bytes of any. */
static struct code_choice choose(const struct plan *plan, uint64_t *least)
{
    const struct value *v = plan->value;
    struct code_choice best = {.quality = -1};
    uint64_t parts = plan->dim + (uint64_t)1;

    *least = UINT64_MAX;
    while ((parts = codes_divisor_below(plan->dim, parts))) {
        if (v[DPQ_PARTS].set && parts != (uint64_t)v[DPQ_PARTS].i)
            continue;
        for (int64_t packing = CODES_BYTES; packing <= CODES_BITS; packing++)
            for (unsigned bits = 0; bits <= 16; bits++) {
                struct code_choice c = {.parts = parts, .packing = packing, .quality = -1};

                if ((v[DPQ_PACKING].set && packing != v[DPQ_PACKING].i) ||
                    !choice_make(plan, bits, &c))
                    continue;
                *least = c.bytes < *least ? c.bytes : *least;
                if (c.bytes <= plan->budget && code_choice_better(&c, &best))
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

enum status dpq_plan(struct plan *plan, struct error *e)
{
    struct value *v = plan->value;
    struct code_choice c;
    uint64_t least, bytes;
    enum status st;

    if ((st = codes_parts_check(plan, DPQ_PARTS, e)) != ST_OK)
        return st;
    c = plan->budget ? choose(plan, &least) : usual(plan);
    if (c.quality < 0)
        return plan_refuse(plan, least, e);
    plan_choose(plan, DPQ_PARTS, (int64_t)c.parts);
    plan_choose(plan, DPQ_K, (int64_t)c.k);
    plan_choose(plan, DPQ_SHARED, false);
    plan_choose(plan, DPQ_PACKING, c.packing);
    plan->dtypes[DPQ_CODES] = code_dtype((uint64_t)v[DPQ_K].i);
    if (v[DPQ_PACKING].i == CODES_BYTES)
        return ST_OK;
    bytes = code_bytes((uint64_t)v[DPQ_PARTS].i, code_bits((uint64_t)v[DPQ_K].i));
    return plan_size(plan, "row_bytes", bytes, e);
}

/* A word for each code, and the codebook. */
double dpq_author_words(const struct plan *plan)
{
    return (double)plan->rows * (double)plan->value[DPQ_PARTS].i +
           (double)plan->value[DPQ_K].i * plan->dim;
}
