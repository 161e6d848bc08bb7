/* SPDX-License-Identifier: Apache-2.0 */
/* The hashing trick: id x has row x mod H, and ids that meet share it. */
#include "methods/fit.h"

#include <string.h>

#include "base/memory.h"
#include "kernels/kernels.h"
#include "methods/gradient.h"
#include "methods/scan.h"

#define BATCH 256 /* ids turned into slots at a time, on the stack */

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
    uint64_t slot[BATCH], count = slots(p);
    unsigned char *to = out;

    while (n) {
        size_t m = n < BATCH ? n : BATCH;

        for (size_t i = 0; i < m; i++)
            slot[i] = row[i] % count;
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
    return symbols_set(&plan->size, "H", 1, count, e);
}

/* The weighted mean of each slot's rows, which no other row beats. */
static enum status fit(const struct fit *fit, struct parameters *p, struct error *e)
{
    uint64_t count = slots(p);
    float *table = p->tensor[TABLE].data;
    double *sum, *weight;
    struct scan s = {0};
    enum status st;

    sum = mem_zero(p->tensor[TABLE].count, sizeof *sum);
    weight = mem_zero(count, sizeof *weight);
    if (!sum || !weight) {
        st = error_memory(e, "sums of the slots");
        goto out;
    }
    if ((st = scan_open(&s, fit, e)) != ST_OK)
        goto out;
    while ((st = scan_next(&s, e)) == ST_OK && s.n)
        for (size_t i = 0; i < s.n; i++) {
            uint64_t slot = (s.first + i) % count;
            double w = fit_weight(fit, s.first + i);

            weight[slot] += w;
            for (uint32_t j = 0; j < p->dim; j++)
                sum[slot * p->dim + j] += w * s.rows[i * p->dim + j];
        }
    if (st != ST_OK)
        goto out;
    for (uint64_t h = 0; h < count; h++)
        for (uint32_t j = 0; j < p->dim; j++)
            table[h * p->dim + j] = weight[h] > 0 ? (float)(sum[h * p->dim + j] / weight[h]) : 0;
out:
    scan_close(&s);
    mem_free(weight);
    mem_free(sum);
    return st;
}

const struct method method_hash = {
    .name = "hash",
    .title = "hash table with collisions",
    .source = "Weinberger et al., ICML 2009",
    .per_field = true,
    .tensors = tensors,
    .tensors_count = 1,
    .check = check,
    .rows = rows,
    .gradient = gradient,
    .plan = plan,
    .fit = fit,
};
