/* SPDX-License-Identifier: Apache-2.0 */
/* m = beta1 * m + (1 - beta1) * g; v = beta2 * v + (1 - beta2) * g^2
   w -= rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)
   Moments are lazy: a push leaves those of untouched units as they are. */
#include "methods/step.h"

static size_t step(const struct optimizer_step *s, float *w, const float *gradient,
                   float *const state[OPTIMIZER_STATES], size_t n)
{
    float *restrict value = w, *restrict first = state[0], *restrict second = state[1];
    const float *restrict grad = gradient;
    size_t finite = 0;

    for (size_t j = 0; j < n; j++) {
        float from = value[j], m0 = first[j], v0 = second[j];
        float g = step_gradient(s, grad[j], from);
        float m = s->beta1 * m0 + s->rest1 * g;
        float v = s->beta2 * v0 + s->rest2 * (g * g);
        float root = sqrtf(v / s->correction2) + s->epsilon;
        float next = step_from(s, from) - s->learning_rate * (m / s->correction1) / root;
        uint32_t good = step_finite(next) & step_finite(v); /* an infinite m makes next so */

        value[j] = step_value(good, next, from);
        first[j] = step_choose(good, m, m0);
        second[j] = step_choose(good, v, v0);
        finite += good;
    }
    return n - finite;
}

const struct optimizer optimizer_adam = {
    .name = "adam",
    .help = "running means of gradients and of their squares, corrected for their beginning",
    .state = {"m", "v"},
    .full_only = true,
    .step = step,
};
