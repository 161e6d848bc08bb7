/* SPDX-License-Identifier: Apache-2.0 */
/* Which of many scores are the k largest, exactly, when they are too many to keep: they are
   streamed past, all of them and in the same order each time. Two passes count them by the upper
   and the lower half of their bits, which gives the smallest that is taken; a third tells them
   apart. Of equal scores the first ones are taken. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#define SELECT_PASSES 2

struct select {
    uint64_t *count;   /* of each half word */
    uint64_t left;     /* scores still to find below those that are known to be taken */
    uint32_t smallest; /* bits of the smallest that is taken, as far as they are known */
    unsigned passes;   /* that are done */
};

/* Begin a selection of `keep` scores. select_done() releases it, also after a failure, and zeroed.
 */
MUST_CHECK enum status select_init(struct select *s, uint64_t keep, struct error *e);
void select_done(struct select *s);
/* Stream n scores, each finite and >= 0, in one of the first passes. */
void select_add(struct select *s, const float *score, size_t n);
/* The pass is through. */
void select_next(struct select *s);
/* After all passes: whether this one, of all in turn, is taken. */
int select_takes(struct select *s, float score);
