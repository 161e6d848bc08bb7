/* SPDX-License-Identifier: Apache-2.0 */
/* What fp16 and bf16 share: `weight` [N,D] in two bytes an element. */
#pragma once

#include "methods/plan.h"

/* method->gradient: that of the row is that of its elements. */
void half_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                   struct gradients *out);
/* method->author_words: they have no halves, and would count two to a word. */
double half_author_words(const struct plan *plan);
