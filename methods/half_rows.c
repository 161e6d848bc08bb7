/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of two-byte floats: their gradient. One thread. */
#include "methods/half_rows.h"

#include "methods/gradient.h"

void half_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                   struct gradients *out)
{
    (void)p;
    gradient_add(out, 0, row, n, grad);
}
