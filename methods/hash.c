/* SPDX-License-Identifier: Apache-2.0 */
/* The hashing trick: id x has row x mod H, and ids that meet share it. */
#include "methods/plan.h"

#include "base/divide.h"
#include "kernels/kernels.h"
#include "methods/explain.h"
#include "methods/gradient.h"

#define BATCH 512 /* ids turned into slots at a time, on the stack */

enum { TABLE };

static const struct tensor_decl tensors[] = {
    [TABLE] = {"table", DT(F32), "H D", .flags = TENSOR_TRAINED,
               .help = "the rows that the ids share"},
};

static uint64_t slots(const struct parameters *p)
{
    return p->tensor[TABLE].shape[0];
}

static enum status check(struct parameters *p, struct error *e)
{
    if (p->rows && !slots(p))
        return error_set(e, ST_INVALID, "tensor \"table\" has no row");
    return ST_OK;
}

static void rows(const struct parameters *p, const uint64_t *row, size_t n, void *out)
{
    struct divider count = divider_of(slots(p));
    uint64_t slot[BATCH];
    unsigned char *to = out;

    while (n) {
        size_t m = n < BATCH ? n : BATCH;

        for (size_t i = 0; i < m; i++)
            slot[i] = remainder_of(&count, row[i]);
        kernels->f32_rows(to, p->tensor[TABLE].data, p->dim, slot, m);
        to += m * p->dim * sizeof(float);
        row += m;
        n -= m;
    }
}

static void gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                     struct gradients *out)
{
    uint64_t count = slots(p);

    for (size_t i = 0; i < n; i++) {
        uint64_t slot = row[i] % count;

        gradient_add(out, TABLE, &slot, 1, grad + i * p->dim);
    }
}

static enum status plan(struct plan *plan, struct error *e)
{
    uint64_t row_bytes = (uint64_t)plan->dim * sizeof(float), count = plan->rows;

    if (plan->budget && plan->budget / row_bytes < count)
        count = plan->budget / row_bytes;
    if (plan->rows && !count)
        return plan_refuse(plan, row_bytes, e);
    return plan_size(plan, "H", count, e);
}

static double author_words(const struct plan *plan)
{
    uint64_t count = 0;

    (void)symbols_get(&plan->size, "H", 1, &count);
    return (double)count * plan->dim;
}

static void explain(const struct parameters *p, uint64_t row, struct explanation *x)
{
    uint64_t slot = row % slots(p);

    explain_number(x, "slot", (int64_t)slot);
    explain_cells(x, p, TABLE, slot, 0, p->dim, (p->rows - 1 - slot) / slots(p));
}

const struct method method_hash = {
    .name = "hash",
    .title = "hash table with collisions",
    .source = "Weinberger et al., ICML 2009",
    .per_field = true,
    .fit_extension = true,
    .tensors = tensors,
    .tensors_count = 1,
    .check = check,
    .rows = rows,
    .gradient = gradient,
    .plan = plan,
    .author_words = author_words,
    .explain = explain,
    .grows = true,
};
