/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients of robe's cells, each a unit of its own, and what there is to tell of a row. No state.
 */
#include "methods/robe.h"

#include <string.h>

#include "base/memory.h"
#include "kernels/kernels.h"
#include "methods/explain.h"
#include "methods/gradient.h"

#define RUNS_TOLD 32 /* runs of a row that are told with their sharers */

void robe_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                   struct gradients *out)
{
    struct robe m = robe_of(p, p->tensor[ROBE_RAND].data);
    uint32_t multiple[SIGNS_TURN + 1];
    float *own = out->scratch;

    robe_sign_multiples(&m, multiple);
    for (size_t i = 0; i < n; i++, grad += m.dim) {
        struct robe_walk w = robe_begin(&m, row[i]);
        const float *from = grad;
        size_t cell, run;

        if (m.signs) {
            memcpy(own, grad, m.dim * sizeof *own);
            kernels->f32_signs(own, m.dim, w.sign, multiple, m.prime);
            from = own;
        }
        for (; (run = robe_run(&m, &w, &cell)); from += run)
            gradient_run(out, ROBE_ARRAY, cell, run, from);
    }
}

size_t robe_gradient_scratch(const struct parameters *p, size_t rows)
{
    (void)rows;
    return p->dim;
}

size_t robe_touched(const struct parameters *p, unsigned tensor, size_t rows)
{
    size_t cells;

    (void)tensor;
    return size_mul(rows, p->dim, &cells) ? cells : SIZE_MAX;
}

struct run {
    size_t cell, n;
    uint64_t sharers;
};

/* Count the other rows that read a cell of each run. */
static void count_sharers(const struct parameters *p, const struct robe *m, uint64_t row,
                          struct run *run, size_t runs)
{
    for (uint64_t other = 0; other < p->rows; other++) {
        struct robe_walk w = robe_begin(m, other);
        bool met[RUNS_TOLD] = {false};
        size_t cell, n;

        if (other == row)
            continue;
        while ((n = robe_run(m, &w, &cell)))
            for (size_t k = 0; k < runs; k++)
                met[k] = met[k] || (cell < run[k].cell + run[k].n && run[k].cell < cell + n);
        for (size_t k = 0; k < runs; k++)
            run[k].sharers += met[k];
    }
}

/* A row of very many runs: their cells alone. */
static void tell_cells(const struct robe *m, uint64_t row, struct explanation *x)
{
    int64_t *list = mem_zero(m->dim, sizeof *list);
    struct robe_walk w = robe_begin(m, row);
    size_t cell, n, count = 0;

    if (!list) {
        x->status = ST_EXHAUSTED;
        return;
    }
    while ((n = robe_run(m, &w, &cell)))
        for (size_t k = 0; k < n; k++)
            list[count++] = (int64_t)(cell + k);
    explain_numbers(x, "cells", list, count);
    mem_free(list);
}

static void tell_signs(const struct robe *m, uint64_t row, struct explanation *x)
{
    int64_t *list = mem_zero(m->dim, sizeof *list);
    uint32_t sign = robe_begin(m, row).sign;

    if (!list) {
        x->status = ST_EXHAUSTED;
        return;
    }
    for (size_t j = 0; j < m->dim; j++) {
        list[j] = sign & 1 ? 1 : -1;
        sign = robe_add(sign, m->sign_step, m->prime);
    }
    explain_numbers(x, "signs", list, m->dim);
    mem_free(list);
}

void robe_explain(const struct parameters *p, uint64_t row, struct explanation *x)
{
    struct robe m = robe_of(p, p->tensor[ROBE_RAND].data);
    struct robe_walk w = robe_begin(&m, row);
    struct run run[RUNS_TOLD];
    size_t runs = 0, cell, n;
    uint64_t scan;

    if (m.fields && m.fields->count) {
        size_t f = field_of(m.fields, row);

        explain_number(x, "slot", m.slot_of_field ? m.slot_of_field[f] : (int64_t)f);
    }
    while ((n = robe_run(&m, &w, &cell))) {
        if (runs < RUNS_TOLD)
            run[runs] = (struct run){.cell = cell, .n = n};
        runs++;
    }
    if (runs > RUNS_TOLD) {
        tell_cells(&m, row, x);
    } else {
        bool counted =
            !__builtin_mul_overflow(p->rows, runs * runs, &scan) && explain_may_scan(x, scan);

        if (counted)
            count_sharers(p, &m, row, run, runs);
        for (size_t k = 0; k < runs; k++)
            explain_cells(x, p, ROBE_ARRAY, run[k].cell, 0, run[k].n,
                          counted ? run[k].sharers : SHARERS_UNKNOWN);
    }
    if (m.signs)
        tell_signs(&m, row, x);
}
