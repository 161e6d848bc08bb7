/* SPDX-License-Identifier: Apache-2.0 */
/* sum += mean of g^2; w -= rate * g / (sqrt(sum) + epsilon), with one sum for all elements of a
   unit. */
#include "methods/step.h"

#define LANES 8 /* sums side by side, which vectors can hold; part of the result's bits */

static float mean_square(const struct optimizer_step *s, const float *w, const float *gradient,
                         size_t n)
{
    float lane[LANES] = {0}, total = 0;
    size_t j = 0;

    for (; n - j >= LANES; j += LANES)
        for (size_t k = 0; k < LANES; k++) {
            float g = step_gradient(s, gradient[j + k], w[j + k]);

            lane[k] += g * g;
        }
    for (size_t k = 0; j + k < n; k++) {
        float g = step_gradient(s, gradient[j + k], w[j + k]);

        lane[k] += g * g;
    }
    for (size_t k = 0; k < LANES; k++)
        total += lane[k];
    return total / (float)n;
}

static size_t step(const struct optimizer_step *s, float *w, const float *gradient,
                   float *const state[OPTIMIZER_STATES], size_t n)
{
    const float *restrict grad = gradient;
    float *restrict value = w;
    float sum, root;
    size_t finite = 0;

    if (s->element_wise)
        return adagrad_step(s, w, gradient, state, n);
    sum = *state[0] + mean_square(s, w, gradient, n);
    if (!step_finite(sum))
        return n;
    *state[0] = sum;
    root = sqrtf(sum) + s->epsilon;
    for (size_t j = 0; j < n; j++) {
        float g = step_gradient(s, grad[j], value[j]);
        float next = step_from(s, value[j]) - s->learning_rate * g / root;
        uint32_t good = step_finite(next);

        value[j] = step_value(good, next, value[j]);
        finite += good;
    }
    return n - finite;
}

const struct optimizer optimizer_rowwise_adagrad = {
    .name = "rowwise_adagrad",
    .help = "a rate for each row that falls with the mean squares of its gradients",
    .state = {"sum"},
    .scalar = true,
    .step = step,
};
