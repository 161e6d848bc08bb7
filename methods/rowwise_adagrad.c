/* SPDX-License-Identifier: Apache-2.0 */
/* sum += mean of g^2; w -= rate * g / (sqrt(sum) + epsilon), with one sum for all elements of a
   unit. */
#include "kernels/kernels.h"
#include "methods/step.h"

static size_t step(const struct optimizer_step *s, float *w, const float *gradient,
                   float *const state[OPTIMIZER_STATES], size_t n)
{
    float sum;

    if (s->element_wise)
        return adagrad_step(s, w, gradient, state, n);
    sum = *state[0] + kernels->f32_mean_square(w, gradient, n, s->l2);
    if (!step_finite(sum))
        return n;
    *state[0] = sum;
    return kernels->f32_rowwise_adagrad(w, gradient, n, s->learning_rate, sqrtf(sum) + s->epsilon,
                                        s->l2, s->shrink);
}

const struct optimizer optimizer_rowwise_adagrad = {
    .name = "rowwise_adagrad",
    .help = "a rate for each row that falls with the mean squares of its gradients",
    .state = {"sum"},
    .scalar = true,
    .step = step,
};
