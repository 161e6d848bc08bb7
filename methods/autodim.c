/* SPDX-License-Identifier: Apache-2.0 */
/* AutoDim in the form that it serves in: each field has rows of a searched width, an affine
   projection brings them to D columns. */
#include "methods/projected.h"

static const struct tensor_decl tensors[] = {
    [PROJECTED_EMB] = {"emb", DT(F32), "N W", .flags = TENSOR_TRAINED, .help = "the narrow rows"},
    [PROJECTED_PROJ] = {"proj", DT(F32), "W D", .flags = TENSOR_TRAINED | TENSOR_ELEMENTWISE,
                        .help = "the projection, also where emb has D columns"},
    [PROJECTED_BIAS] = {"bias", DT(F32), "D", .flags = TENSOR_TRAINED,
                        .help = "what is added to every row"},
};

uint64_t autodim_candidate(uint32_t dim, size_t i)
{
    uint64_t width = i < 32 ? (uint64_t)2 << i : UINT64_MAX;

    if (width < dim)
        return width;
    return !i || width / 2 < dim ? dim : 0;
}

/* The widest candidate that the budget allows. */
static enum status plan(struct plan *plan, struct error *e)
{
    uint64_t width, next, bytes;
    enum status st;

    if ((st = projected_settled(plan, &width, e)) != ST_OK)
        return st;
    if (width)
        return projected_size(plan, width, true, e);
    for (size_t i = 0; (next = autodim_candidate(plan->dim, i)); i++) {
        bytes = projected_bytes(projected_floats(plan->rows, plan->dim, next, true, true));
        if (!plan->budget || bytes <= plan->budget)
            width = next;
        else if (!width)
            return plan_refuse(plan, bytes, e);
    }
    return projected_size(plan, width, true, e);
}

static double author_words(const struct plan *plan)
{
    uint64_t width = 0;

    (void)symbols_get(&plan->size, "W", 1, &width);
    return (double)projected_floats(plan->rows, plan->dim, width, true, true);
}

const struct method method_autodim = {
    .name = "autodim",
    .title = "AutoDim",
    .source = "Zhao et al., WWW 2021",
    .per_field = true,
    .fit_extension = true,
    .settings = projected_settings,
    .settings_count = PROJECTED_SETTINGS,
    .tensors = tensors,
    .tensors_count = sizeof tensors / sizeof tensors[0],
    .check = projected_check,
    .rows = projected_rows,
    .work = projected_work,
    .gradient = projected_gradient,
    .gradient_scratch = projected_gradient_scratch,
    .touched = projected_touched,
    .plan = plan,
    .author_words = author_words,
    .init = projected_init,
    .explain = projected_explain,
};
