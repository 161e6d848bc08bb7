/* SPDX-License-Identifier: Apache-2.0 */
/* What the optimizers share: weight decay, and the rule for numbers that would not be finite. For
   the files of optimizers. */
#pragma once

#include "methods/optimizer.h"

#include <float.h>
#include <math.h>

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

static inline bool step_finite(float x)
{
    return fabsf(x) <= FLT_MAX;
}

/* adagrad's step, and rowwise_adagrad's where it goes by element. */
size_t adagrad_step(const struct optimizer_step *s, float *w, const float *gradient,
                    float *const state[OPTIMIZER_STATES], size_t n);
