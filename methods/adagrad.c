/* SPDX-License-Identifier: Apache-2.0 */
/* sum += g^2; w -= rate * g / (sqrt(sum) + epsilon) */
#include "kernels/kernels.h"
#include "methods/step.h"

size_t adagrad_step(const struct optimizer_step *s, float *w, const float *gradient,
                    float *const state[OPTIMIZER_STATES], size_t n)
{
    return kernels->f32_adagrad(w, state[0], gradient, n, s->learning_rate, s->epsilon, s->l2,
                                s->shrink);
}

const struct optimizer optimizer_adagrad = {
    .name = "adagrad",
    .help = "a rate for each element that falls with the squares of its gradients",
    .state = {"sum"},
    .full_only = true,
    .step = adagrad_step,
};
