/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of compo share. Id x has row x / R in one table and row x mod R in another, and
   its vector is their product, their sum, or one after the other. */
#pragma once

#include "methods/init.h"
#include "methods/plan.h"

#define COMPO_BATCH 512 /* ids split at a time, on the stack */

enum { COMPO_COLLISIONS, COMPO_OP, COMPO_QUOTIENT, COMPO_POOL };
enum { COMPO_MULT, COMPO_ADD, COMPO_CONCAT };
enum { COMPO_INT, COMPO_F32DIV };
enum { COMPO_COMPOSE_FIRST, COMPO_POOL_FIRST };
enum { COMPO_Q, COMPO_R };

/* The row of q.weight for an id. f32div is what weights trained that way need: both numbers are
   rounded to float32 first, so that large ids miss their true quotient. It never falls as ids grow.
 */
static inline uint64_t compo_quotient(uint64_t id, uint64_t collisions, int64_t quotient)
{
    if (quotient == COMPO_INT)
        return id / collisions;
    return (uint64_t)((float)id / (float)collisions);
}

struct compo_factors {
    const float *q, *r;
    size_t q_dim, r_dim;
};
struct compo_factors compo_factors(const struct parameters *p);
/* Places in q.weight and r.weight of `n` ids. */
void compo_split(const struct parameters *p, const uint64_t *row, size_t n, uint64_t *q,
                 uint64_t *r);
/* method->pool before the two sums become one: they are left in scratch [0, D) and [D, 2 D). */
void compo_sums(const struct parameters *p, const uint64_t *row, const void *weights, size_t n,
                float divisor, float *scratch);

/* method->gradient and pool_gradient. */
void compo_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                    struct gradients *out);
void compo_pool_gradient(const struct parameters *p, const uint64_t *row, const void *weights,
                         size_t n, float divisor, const float *grad, struct gradients *out,
                         float *scratch);

/* Sizes of a plan: rows, and the columns that each row of the two tables has. */
struct compo_sizes {
    uint64_t rows, q_dim, r_dim;
    int64_t quotient;
};
/* Settle all settings but the collisions. */
MUST_CHECK enum status compo_sizes(struct plan *plan, struct compo_sizes *s, struct error *e);
/* Floats of both tables; UINT64_MAX if they are more than can be counted. */
uint64_t compo_floats(const struct compo_sizes *s, uint64_t collisions);
/* The least that any R needs, and the first R that needs no more. */
uint64_t compo_fewest_floats(const struct compo_sizes *s, uint64_t *collisions);
MUST_CHECK enum status compo_plan(struct plan *plan, struct error *e);
MUST_CHECK enum status compo_share(struct layout *l, struct error *e);
double compo_author_words(const struct plan *plan);

MUST_CHECK enum status compo_init(const struct init *init, struct parameters *p, struct error *e);
void compo_explain(const struct parameters *p, uint64_t row, struct explanation *x);
