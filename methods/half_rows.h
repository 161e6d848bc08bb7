/* SPDX-License-Identifier: Apache-2.0 */
/* What fp16 and bf16 share: `weight` [N,D] in two bytes an element. */
#pragma once

#include "methods/fit.h"

/* Fill `weight`: each value is cut to [-largest, largest], then rounded to nearest even by
   `convert`, one of the kernels. */
MUST_CHECK enum status half_fit(const struct fit *fit, struct parameters *p, float largest,
                                void (*convert)(void *out, const void *in, size_t n),
                                struct error *e);

/* method->gradient: that of the row is that of its elements. */
void half_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                   struct gradients *out);
