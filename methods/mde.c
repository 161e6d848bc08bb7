/* SPDX-License-Identifier: Apache-2.0 */
/* Mixed-dimension embeddings: each field has rows as wide as it needs, which a projection brings to
   D columns. A field that needs all D has no projection. */
#include "base/memory.h"
#include "methods/projected.h"

static const struct tensor_decl tensors[] = {
    [PROJECTED_EMB] = {"emb", DT(F32), "N W", .flags = TENSOR_TRAINED, .help = "the narrow rows"},
    [PROJECTED_PROJ] = {"proj", DT(F32), "W D",
                        .flags = TENSOR_OPTIONAL | TENSOR_TRAINED | TENSOR_ELEMENTWISE,
                        .help = "the projection; without it emb has D columns"},
};

/* As wide as the budget allows; the projection goes where it would save nothing. */
static enum status plan(struct plan *plan, struct error *e)
{
    uint64_t width, full = projected_floats(plan->rows, plan->dim, plan->dim, false, false);
    uint64_t least = projected_floats(plan->rows, plan->dim, 1, true, false);
    enum status st;

    if ((st = projected_settled(plan, &width, e)) != ST_OK)
        return st;
    if (!width) {
        width = plan->dim;
        if (plan->budget && projected_bytes(full) > plan->budget)
            width = plan->budget / sizeof(float) / least;
        if (!width)
            return plan_refuse(plan, projected_bytes(least < full ? least : full), e);
    }
    return projected_size(plan, width, width < plan->dim, e);
}

static double author_words(const struct plan *plan)
{
    uint64_t width = 0;

    (void)symbols_get(&plan->size, "W", 1, &width);
    return (double)plan->rows * (double)width +
           (width == plan->dim ? 0 : (double)width * plan->dim);
}

/* The authors' power law, where nothing else has settled the widths. A field that it gives all
   columns has no projection, and so is a full one. */
static enum status share(struct layout *l, struct error *e)
{
    uint64_t *rows = NULL, *width = NULL, settled = 0;
    enum status st = ST_OK;

    for (size_t i = 0; i < l->part_count; i++)
        if (l->part[i].method != l->method || l->part[i].value[PROJECTED_DIMS].set ||
            symbols_get(&l->part[i].size, "W", 1, &settled))
            return ST_OK;
    rows = mem_zero(l->part_count, sizeof *rows);
    width = mem_zero(l->part_count, sizeof *width);
    if (!rows || !width) {
        st = error_memory(e, "widths");
        goto out;
    }
    for (size_t i = 0; i < l->part_count; i++)
        rows[i] = l->part[i].rows;
    /* Where the budget cannot be kept these are the least that it must be, and the caller refuses.
     */
    (void)mde_widths(rows, l->part_count, l->dim, l->budget, width);
    for (size_t i = 0; st == ST_OK && i < l->part_count; i++)
        st = projected_size(&l->part[i], width[i], width[i] < l->dim, e);
out:
    mem_free(width);
    mem_free(rows);
    return st;
}

const struct method method_mde = {
    .name = "mde",
    .title = "MDE (mixed dimensions)",
    .source = "Ginart et al., ISIT 2021",
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
    .share = share,
    .author_words = author_words,
    .init = projected_init,
    .explain = projected_explain,
};
