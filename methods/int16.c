/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of 16-bit integers times a scale. */
#include "methods/integer_rows.h"

#include "kernels/kernels.h"

static const struct setting settings[] = INTEGER_SETTINGS(16);
static const struct tensor_decl tensors[] = INTEGER_TENSORS(U16, I16);

static void rows(const struct parameters *p, const uint64_t *row, size_t n, void *out)
{
    const void *u = p->tensor[INTEGER_UNSIGNED_Q].data, *i = p->tensor[INTEGER_SIGNED_Q].data;
    const float *qparams = p->tensor[INTEGER_QPARAMS].data;
    float scale = (float)p->value[INTEGER_SCALE].r;

    if (p->value[INTEGER_QPARAM].i == QPARAM_ROW) {
        if (p->value[INTEGER_SIGNED].i)
            kernels->i16_rows_each(out, i, p->dim, row, n, qparams);
        else
            kernels->u16_rows_each(out, u, p->dim, row, n, qparams);
    } else {
        if (p->value[INTEGER_SIGNED].i)
            kernels->i16_rows(out, i, p->dim, row, n, scale, integer_bias(p));
        else
            kernels->u16_rows(out, u, p->dim, row, n, scale, integer_bias(p));
    }
}

const struct method method_int16 = {
    .name = "int16",
    .title = "16-bit integers",
    .source = "Xu et al., SIGMOD 2021",
    .settings = settings,
    .settings_count = sizeof settings / sizeof settings[0],
    .tensors = tensors,
    .tensors_count = sizeof tensors / sizeof tensors[0],
    .check = integer_check,
    .rows = rows,
    .work = integer_work,
    .gradient = integer_gradient,
    .unit_load = integer_unit_load,
    .unit_store = integer_unit_store,
    .plan = integer_plan,
    .author_words = integer_author_words,
    .init = integer_init,
    .explain = integer_explain,
    .grows = true,
    .init_row = integer_init_row,
};
