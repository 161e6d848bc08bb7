/* SPDX-License-Identifier: Apache-2.0 */
/* sum += g^2; w -= rate * g / (sqrt(sum) + epsilon) */
#include "methods/step.h"

size_t adagrad_step(const struct optimizer_step *s, float *w, const float *gradient,
                    float *const state[OPTIMIZER_STATES], size_t n)
{
    float *restrict value = w, *restrict sum = state[0];
    const float *restrict grad = gradient;
    size_t finite = 0;

    for (size_t j = 0; j < n; j++) {
        float from = value[j], before = sum[j];
        float g = step_gradient(s, grad[j], from), total = before + g * g;
        float next = step_from(s, from) - s->learning_rate * g / (sqrtf(total) + s->epsilon);
        uint32_t good = step_finite(next) & step_finite(total);

        value[j] = step_value(good, next, from);
        sum[j] = step_choose(good, total, before);
        finite += good;
    }
    return n - finite;
}

const struct optimizer optimizer_adagrad = {
    .name = "adagrad",
    .help = "a rate for each element that falls with the squares of its gradients",
    .state = {"sum"},
    .full_only = true,
    .step = adagrad_step,
};
