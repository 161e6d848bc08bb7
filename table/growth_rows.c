/* SPDX-License-Identifier: Apache-2.0 */
/* The cells of a row that is given to another id. Snapshots see what is written here, lookups do
   not: the row is spare. */
#include "table/growth_rows.h"

#include <string.h>

#include "methods/init.h"
#include "table/training_state.h"

void growth_keep(struct training *t, const int64_t *at)
{
    blocks_keep(t->blocks, (const unsigned char *)at, sizeof *at);
}

/* As the optimizer begins: sums of squares where the settings say, moments at zero. */
static void begin_states(struct training *t, unsigned k, uint64_t row)
{
    const struct parameters *p = &t->table->part[0];
    const struct optimizer *o = t->settings.optimizer;
    size_t n = state_is_scalar(t, p, k) ? 1 : unit_width(&p->tensor[k]);

    for (unsigned i = 0; i < OPTIMIZER_STATES; i++) {
        float *at = t->part[0].state[k][i], begin = o->state[i] && !strcmp(o->state[i], "sum")
                                                        ? (float)t->settings.initial_accumulator
                                                        : 0;

        if (!at)
            continue;
        at += row * n;
        blocks_keep(t->blocks, (const unsigned char *)at, n * sizeof *at);
        for (size_t j = 0; j < n; j++)
            at[j] = begin;
    }
}

void growth_begin_row(struct training *t, uint64_t row)
{
    const struct table *table = t->table;
    const struct init init = {.seed = table->seed, .deviation = table->deviation};
    struct parameters *p = &table->part[0];

    if (!p->method->init_row)
        return;
    for (unsigned k = 0; k < p->method->tensors_count; k++) {
        const struct tensor *tensor = &p->tensor[k];
        size_t bytes = unit_width(tensor) * dtype_size(tensor->dtype);

        if (!tensor->data || !(p->method->tensors[k].flags & (TENSOR_TRAINED | TENSOR_FOLLOWS)))
            continue;
        blocks_keep(t->blocks, (const unsigned char *)tensor->data + row * bytes, bytes);
        if (tensor_trained(p, k))
            begin_states(t, k, row);
    }
    p->method->init_row(&init, p, row);
}
