/* SPDX-License-Identifier: Apache-2.0 */
/* How a budget is spent on parts and vectors: of all divisors of the columns and all powers of two
   up to 256 for k_high, with a quarter of it for k_low, the pair from which the best rows are
   expected. That is many parts rather than many vectors for each. Fields have all
   of it in common. */
#include "methods/mgqe.h"

#include <math.h>

#define K_USUAL 256 /* the authors' k_high */

static uint64_t plan_high(const struct plan *plan)
{
    uint64_t high;

    return symbols_get(&plan->size, "n_high", 6, &high) && high <= plan->rows
               ? high
               : mgqe_high_rows(plan->rows);
}

static uint64_t choice_bytes(const struct plan *plan, const struct code_choice *c)
{
    bool shared = plan->value[MGQE_SHARED].set && plan->value[MGQE_SHARED].i;
    uint64_t high = plan_high(plan), bytes;

    bytes = c->k * (shared ? plan->dim / c->parts : plan->dim) * sizeof(float);
    if (c->packing == CODES_BYTES)
        return bytes_of(plan->rows, c->parts * (c->k <= 256 ? 1 : 2), bytes);
    bytes += (plan->rows + 7) / 8;
    bytes = bytes_of(high, code_bytes(c->parts, code_bits(c->k)), bytes);
    return bytes_of(plan->rows - high, code_bytes(c->parts, code_bits(c->k_low)), bytes);
}

/* The largest k_high to try: no more than there are high rows, unless the settings say so. */
static uint64_t k_first(const struct plan *plan, uint64_t high)
{
    const struct value *v = plan->value;
    uint64_t k = K_USUAL;

    if (v[MGQE_K_HIGH].set)
        return (uint64_t)v[MGQE_K_HIGH].i;
    while (k > 2 && k > high)
        k /= 2;
    while (v[MGQE_K_LOW].set && k <= (uint64_t)v[MGQE_K_LOW].i)
        k *= 2;
    return k;
}

/* What the settings and a k_high make of a choice; false if they cannot go together. */
static bool choice_make(const struct code_scope *s, struct code_choice *c)
{
    const struct value *v = s->part->value;
    double width = (double)(s->part->dim / c->parts);

    c->k_low = v[MGQE_K_LOW].set ? (uint64_t)v[MGQE_K_LOW].i : c->k / 4 > 1 ? c->k / 4 : 1;
    if (c->k_low >= c->k)
        return false;
    c->bytes = code_scope_bytes(s, c);
    /* Few rows are high, but they are what is asked for: the errors of both kinds count the same.
     */
    c->quality = -0.5 * log2((exp2(-2 * codes_quality((double)c->k, width)) +
                              exp2(-2 * codes_quality((double)c->k_low, width))) /
                             2);
    if (c->k_low == 1) /* all rare rows are the same: the last resort */
        c->quality *= 1e-3;
    return true;
}

/* The best choice within the budget (quality -1: none), and the least bytes of any. */
static struct code_choice choose(const struct code_scope *s, uint64_t *least)
{
    const struct value *v = s->part->value;
    struct code_choice best = {.quality = -1};
    uint64_t parts = s->part->dim + (uint64_t)1;
    uint64_t high = s->fields ? mgqe_high_rows(code_scope_rows(s)) : plan_high(s->part);

    *least = UINT64_MAX;
    while ((parts = codes_divisor_below(s->part->dim, parts))) {
        if (v[MGQE_PARTS].set && parts != (uint64_t)v[MGQE_PARTS].i)
            continue;
        for (uint64_t k = k_first(s->part, high); k >= 2; k = v[MGQE_K_HIGH].set ? 0 : k / 2)
            for (int64_t packing = CODES_BYTES; packing <= CODES_BITS; packing++) {
                struct code_choice c = {.parts = parts, .k = k, .packing = packing};

                if ((v[MGQE_PACKING].set && packing != v[MGQE_PACKING].i) || !choice_make(s, &c))
                    continue;
                *least = c.bytes < *least ? c.bytes : *least;
                if (c.bytes <= s->budget && code_choice_better(&c, &best))
                    best = c;
            }
    }
    return best;
}

/* Without a budget: parts of two columns or more, and the authors' vectors. */
static struct code_choice usual(const struct plan *plan)
{
    const struct value *v = plan->value;
    struct code_choice c = {.parts = plan->dim + (uint64_t)1, .k = k_first(plan, plan_high(plan))};

    do
        c.parts = codes_divisor_below(plan->dim, c.parts);
    while (c.parts > 1 && plan->dim / c.parts < 2);
    if (v[MGQE_PARTS].set)
        c.parts = (uint64_t)v[MGQE_PARTS].i;
    c.k_low = c.k / 4 > 1 ? c.k / 4 : 1;
    return c;
}

static enum status settings_check(const struct plan *plan, struct error *e)
{
    const struct value *v = plan->value;

    if (v[MGQE_K_HIGH].set && v[MGQE_K_LOW].set && v[MGQE_K_LOW].i >= v[MGQE_K_HIGH].i)
        return error_set(e, ST_INVALID, "%s: k_low must be below k_high", plan->method->name);
    return codes_parts_check(plan, MGQE_PARTS, e);
}

static void take(struct plan *plan, const struct code_choice *c)
{
    plan_choose(plan, MGQE_PARTS, (int64_t)c->parts);
    plan_choose(plan, MGQE_K_HIGH, (int64_t)c->k);
    plan_choose(plan, MGQE_K_LOW, (int64_t)c->k_low);
    plan_choose(plan, MGQE_SHARED, false);
    plan_choose(plan, MGQE_PACKING, c->packing);
}

enum status mgqe_plan(struct plan *plan, struct error *e)
{
    struct code_scope s = code_scope_of(plan);
    uint64_t high = plan_high(plan), least;
    struct code_choice c;
    enum status st;

    s.bytes = choice_bytes;
    if ((st = settings_check(plan, e)) != ST_OK)
        return st;
    c = plan->budget ? choose(&s, &least) : usual(plan);
    if (c.quality < 0)
        return plan_refuse(plan, least, e);
    take(plan, &c);
    if (plan->value[MGQE_PACKING].i == CODES_BYTES) {
        plan->dtypes[MGQE_CODES] = code_dtype((uint64_t)plan->value[MGQE_K_HIGH].i);
        return ST_OK;
    }
    c.k = (uint64_t)plan->value[MGQE_K_HIGH].i;
    c.k_low = (uint64_t)plan->value[MGQE_K_LOW].i;
    if ((st = plan_size(plan, "map_bytes", (plan->rows + 7) / 8, e)) != ST_OK ||
        (st = plan_size(plan, "n_high", high, e)) != ST_OK ||
        (st = plan_size(plan, "n_low", plan->rows - high, e)) != ST_OK ||
        (st = plan_size(plan, "high_bytes", code_bytes(c.parts, code_bits(c.k)), e)) != ST_OK)
        return st;
    return plan_size(plan, "low_bytes", code_bytes(c.parts, code_bits(c.k_low)), e);
}

enum status mgqe_share(struct layout *l, struct error *e)
{
    struct code_scope s = code_scope_of_fields(l);
    struct code_choice c;
    enum status st;
    uint64_t least;

    if (!l->part_count)
        return ST_OK;
    s.bytes = choice_bytes;
    if ((st = settings_check(l->part, e)) != ST_OK)
        return st;
    c = choose(&s, &least);
    if (c.quality < 0)
        return layout_refuse(l, least, e);
    for (size_t i = 0; i < l->part_count; i++)
        if (!codes_stay_full(l, i, choice_bytes(&l->part[i], &c)))
            take(&l->part[i], &c);
    return ST_OK;
}

/* A word for each row's frequency, the codebook, and codes of log2 k bits. */
double mgqe_author_words(const struct plan *plan)
{
    const struct value *v = plan->value;
    double high = (double)plan_high(plan), low = (double)plan->rows - high;
    double parts = (double)v[MGQE_PARTS].i, k_high = (double)v[MGQE_K_HIGH].i;

    return (double)plan->rows + k_high * plan->dim + high * parts * log2(k_high) / 32 +
           low * parts * log2((double)v[MGQE_K_LOW].i) / 32;
}
