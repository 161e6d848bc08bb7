/* SPDX-License-Identifier: Apache-2.0 */
/* What the optimizers share: weight decay. For the files of optimizers. */
#pragma once

#include "kernels/step.h"
#include "methods/optimizer.h"

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

/* adagrad's step, and rowwise_adagrad's where it goes by element. */
size_t adagrad_step(const struct optimizer_step *s, float *w, const float *gradient,
                    float *const state[OPTIMIZER_STATES], size_t n);
