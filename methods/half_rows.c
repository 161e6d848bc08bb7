/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of two-byte floats: their gradient and count. One thread. */
#include "methods/half_rows.h"

#include "methods/gradient.h"

void half_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                   struct gradients *out)
{
    (void)p;
    gradient_rows(out, 0, row, n, grad);
}

double half_author_words(const struct plan *plan)
{
    return (double)plan->rows * plan->dim / 2;
}
