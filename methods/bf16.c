/* SPDX-License-Identifier: Apache-2.0 */
/* bfloat16: the upper half of a float32, so 8 bits of precision over its whole range. */
#include "methods/half_rows.h"

#include "kernels/kernels.h"
#include "methods/init.h"

static const struct tensor_decl tensors[] = {
    {"weight", DT(BF16), "N D", .flags = TENSOR_TRAINED, .help = "the rows"},
};

static void rows(const struct parameters *p, const uint64_t *row, size_t n, void *out)
{
    kernels->bf16_rows(out, p->tensor[0].data, p->dim, row, n);
}

const struct method method_bf16 = {
    .name = "bf16",
    .title = "bfloat16",
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
