/* SPDX-License-Identifier: Apache-2.0 */
/* The table as it is: one float32 row an id. What every other method is measured against, and what
   a field of a compressed table may stay. */
#include "methods/plan.h"

#include "kernels/kernels.h"
#include "methods/gradient.h"
#include "methods/init.h"

enum { WEIGHT };

static const struct tensor_decl tensors[] = {
    [WEIGHT] = {"weight", DT(F32), "N D", .flags = TENSOR_TRAINED, .help = "the rows"},
};

static void rows(const struct parameters *p, const uint64_t *row, size_t n, void *out)
{
    kernels->f32_rows(out, p->tensor[WEIGHT].data, p->dim, row, n);
}

static void gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                     struct gradients *out)
{
    (void)p;
    gradient_rows(out, WEIGHT, row, n, grad);
}

static double author_words(const struct plan *plan)
{
    return (double)plan->rows * plan->dim;
}

const struct method method_full = {
    .name = "full",
    .title = "uncompressed float32",
    .source = "the table as trained",
    .tensors = tensors,
    .tensors_count = 1,
    .rows = rows,
    .gradient = gradient,
    .author_words = author_words,
    .grows = true,
    .init_row = init_float_row,
};
