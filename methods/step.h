/* SPDX-License-Identifier: Apache-2.0 */
/* What the optimizers share: weight decay, and the rule for numbers that would not be finite. For
   the files of optimizers. */
#pragma once

#include "methods/optimizer.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* The gradient as the formula gets it. */
static inline float step_gradient(const struct optimizer_step *s, float gradient, float w)
{
    return gradient + s->l2 * w;
}

/* The element before the formula's step. */
static inline float step_from(const struct optimizer_step *s, float w)
{
    return w - s->shrink * w;
}

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

/* adagrad's step, and rowwise_adagrad's where it goes by element. */
size_t adagrad_step(const struct optimizer_step *s, float *w, const float *gradient,
                    float *const state[OPTIMIZER_STATES], size_t n);
