/* SPDX-License-Identifier: Apache-2.0 */
/* IEEE half precision: 11 bits of precision, up to 65504; smaller than 6e-5 with less, down to
   6e-8. */
#include "methods/half_rows.h"

#include "kernels/kernels.h"
#include "methods/init.h"

static const struct tensor_decl tensors[] = {
    {"weight", DT(F16), "N D", .flags = TENSOR_TRAINED, .help = "the rows"},
};

static void rows(const struct parameters *p, const uint64_t *row, size_t n, void *out)
{
    kernels->f16_rows(out, p->tensor[0].data, p->dim, row, n);
}

const struct method method_fp16 = {
    .name = "fp16",
    .title = "half precision",
    .source = "extension",
    .extension = true,
    .tensors = tensors,
    .tensors_count = 1,
    .rows = rows,
    .gradient = half_gradient,
    .author_words = half_author_words,
    .grows = true,
    .init_row = init_float_row,
};
