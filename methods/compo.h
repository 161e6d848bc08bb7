/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of compo share. Id x has row x / R in one table and row x mod R in another, and
   its vector is their product, their sum, or one after the other. */
#pragma once

#include "methods/fit.h"

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

MUST_CHECK enum status compo_plan(struct plan *plan, struct error *e);
MUST_CHECK enum status compo_fit(const struct fit *fit, struct parameters *p, struct error *e);
