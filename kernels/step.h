/* SPDX-License-Identifier: Apache-2.0 */
/* The rule for steps to numbers that would not be finite: such an element stays as it is. For the
   files of optimizers and the kernel that is one. */
#pragma once

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* 1 or 0, to be joined by & and summed. */
static inline uint32_t step_finite(float x)
{
    return fabsf(x) <= FLT_MAX;
}

/* `next` if good, else `from`; by masks, since compilers make vectors of no choice that they see.
 */
static inline float step_choose(uint32_t good, float next, float from)
{
    uint32_t a, b;

    memcpy(&a, &next, sizeof a);
    memcpy(&b, &from, sizeof b);
    a = (a & -good) | (b & ~-good);
    memcpy(&next, &a, sizeof next);
    return next;
}

/* The element's new value: if that is finite and another one, since a step of 0 would turn -0 into
   0. */
static inline float step_value(uint32_t good, float next, float from)
{
    return step_choose(good & (next != from), next, from);
}
