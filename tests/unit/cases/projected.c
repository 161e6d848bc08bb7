/* SPDX-License-Identifier: Apache-2.0 */
/* See projected.h. */
#include "tests/unit/cases/projected.h"

void projected_case_row(const struct parameters *p, uint64_t id, float *out)
{
    const struct tensor *emb = kit_tensor(p, "emb"), *proj = kit_tensor(p, "proj");
    const float *t = (const float *)emb->data + id * emb->shape[1], *matrix = proj->data;
    const float *bias = p->method->tensors_count > 2 ? kit_tensor(p, "bias")->data : NULL;

    for (uint32_t j = 0; j < p->dim; j++) {
        float sum = 0;

        for (uint64_t k = 0; matrix && k < emb->shape[1]; k++)
            sum += t[k] * matrix[k * p->dim + j];
        out[j] = matrix ? sum : t[j];
        if (bias)
            out[j] += bias[j];
    }
}

void projected_case_exact_row(const struct parameters *p, double *const *value, uint64_t id,
                              double *out)
{
    uint64_t width = p->tensor[0].shape[1];
    const double *t = value[0] + id * width;

    for (uint32_t j = 0; j < p->dim; j++) {
        out[j] = value[1] ? 0 : t[j];
        for (uint64_t k = 0; value[1] && k < width; k++)
            out[j] += t[k] * value[1][k * p->dim + j];
        if (value[2])
            out[j] += value[2][j];
    }
}
