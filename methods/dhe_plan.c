/* SPDX-License-Identifier: Apache-2.0 */
/* How wide a network fits a budget. The hash constants are 24 bytes for each of k, which small
   tables cannot afford: k is halved from 1024 until the hidden layers are at least k / 16 wide.
   Fields share one k and one width, and a field that is no larger than its network stays full. */
#include "methods/dhe.h"


#define THICK 16       /* hash values for each column of a hidden layer, at most */
#define QUARTER 4      /* without a budget: the share of the table that the authors show, */
#define WIDTH_OWN 1800 /* up to their width */

/* What is to be paid: by one network for all rows, or by one for each field. */
struct costs {
    uint64_t dim;
    const struct layout *fields; /* NULL: one network */
};

/* Bytes of all tensors; k and width up to DHE_MOST. */
static uint64_t bytes_of(uint64_t k, uint64_t width, uint64_t dim)
{
    uint64_t hashes = 3 * k * sizeof(int64_t), norms = DHE_HIDDEN * DHE_OF_BN * width;
    uint64_t linear = (k + 1) * width + 4 * (width + 1) * width + (width + 1) * dim;

    return hashes + (norms + linear) * sizeof(float);
}

static uint64_t full_bytes(const struct plan *part)
{
    return part->rows * part->dim * sizeof(float);
}

static uint64_t cost(const struct costs *c, uint64_t k, uint64_t width)
{
    uint64_t own = bytes_of(k, width, c->dim), total = 0;

    if (!c->fields)
        return own;
    for (size_t i = 0; i < c->fields->part_count; i++) {
        uint64_t full = full_bytes(&c->fields->part[i]);

        total += own < full ? own : full; /* below the bytes of the table, which can be counted */
    }
    return total;
}

/* The widest within the budget; 0 if not even one column is. */
static uint64_t widest(const struct costs *c, uint64_t k, uint64_t budget)
{
    uint64_t low = 0, high = DHE_MOST;

    while (low < high) {
        uint64_t middle = (low + high + 1) / 2;

        if (cost(c, k, middle) <= budget)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* A size that is set, or the other number. */
static uint64_t asked(const struct value *v, uint64_t otherwise)
{
    return v->set ? (uint64_t)v->i : otherwise;
}

static uint64_t fewest_hashes(const struct value *v)
{
    return asked(&v[DHE_K], v[DHE_DIST].set && v[DHE_DIST].i == DHE_NORMAL ? 2 : 1);
}

static uint64_t least_cost(const struct costs *c, const struct value *v)
{
    return cost(c, fewest_hashes(v), asked(&v[DHE_WIDTH], 1));
}

/* The first k, from the largest down, that leaves enough width. False if nothing is within the
   budget. */
static bool choose_shape(const struct costs *c, const struct value *v, uint64_t budget, uint64_t *k,
                         uint64_t *width)
{
    uint64_t least = fewest_hashes(v);

    for (*k = asked(&v[DHE_K], DHE_HASHES);; *k /= 2) {
        if (v[DHE_WIDTH].set) {
            *width = (uint64_t)v[DHE_WIDTH].i;
            if (cost(c, *k, *width) <= budget)
                return true;
        } else {
            *width = widest(c, *k, budget);
            if (*width && (*k == least || *width >= *k / THICK))
                return true;
        }
        if (*k == least)
            return false;
    }
}

enum status dhe_plan(struct plan *plan, struct error *e)
{
    uint64_t k, width, least, budget = plan->budget;
    struct costs c = {.dim = plan->dim};
    struct value *v = plan->value;

    plan_choose(plan, DHE_ARITH, DHE_U64);
    plan_choose(plan, DHE_DIST, DHE_UNIFORM);
    plan_choose(plan, DHE_M, DHE_MODULUS);
    least = least_cost(&c, v);
    if (!budget) {
        uint64_t most = bytes_of(DHE_HASHES, WIDTH_OWN, plan->dim);

        budget = plan->rows < most / plan->dim ? full_bytes(plan) / QUARTER : most;
        budget = budget < most ? budget : most;
        budget = budget > least ? budget : least;
    }
    if (!choose_shape(&c, v, budget, &k, &width))
        return plan_refuse(plan, least, e);
    plan_choose(plan, DHE_K, (int64_t)k);
    plan_choose(plan, DHE_WIDTH, (int64_t)width);
    return dhe_check_settings(v, plan->rows, e);
}

/* The settings that the caller gave are the same in all parts. */
enum status dhe_share(struct layout *l, struct error *e)
{
    struct costs c = {.dim = l->dim, .fields = l};
    uint64_t k, width;

    if (l->part_count == 0)
        return ST_OK;
    if (!choose_shape(&c, l->part[0].value, l->budget, &k, &width))
        return layout_refuse(l, least_cost(&c, l->part[0].value), e);
    for (size_t i = 0; i < l->part_count; i++) {
        if (full_bytes(&l->part[i]) <= bytes_of(k, width, l->dim)) {
            layout_full(l, i);
        } else {
            plan_choose(&l->part[i], DHE_K, (int64_t)k);
            plan_choose(&l->part[i], DHE_WIDTH, (int64_t)width);
        }
    }
    return ST_OK;
}

/* Neither running statistics nor hash constants; the last layer's bias is as wide as the hidden
   layers. */
double dhe_author_words(const struct plan *plan)
{
    double k = (double)plan->value[DHE_K].i, width = (double)plan->value[DHE_WIDTH].i;

    return (k + 1) * width + 4 * width * (width + 1) + ((double)plan->dim + 1) * width + 10 * width;
}
