/* SPDX-License-Identifier: Apache-2.0 */
/* w -= rate * g */
#include "methods/step.h"

static size_t step(const struct optimizer_step *s, float *w, const float *gradient,
                   float *const state[OPTIMIZER_STATES], size_t n)
{
    const float *restrict grad = gradient;
    float *restrict value = w;
    size_t finite = 0;

    (void)state;
    for (size_t j = 0; j < n; j++) {
        float g = step_gradient(s, grad[j], value[j]);
        float next = step_from(s, value[j]) - s->learning_rate * g;
        uint32_t good = step_finite(next);

        value[j] = step_value(good, next, value[j]);
        finite += good;
    }
    return n - finite;
}

const struct optimizer optimizer_sgd = {
    .name = "sgd",
    .help = "the rate times the gradient, and no state",
    .step = step,
};
