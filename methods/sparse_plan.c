/* SPDX-License-Identifier: Apache-2.0 */
/* How many entries fit a budget, and in which form. With n entries of a value and a column each,
   csr needs 8 bytes a row besides and coo 4 or 8 bytes an entry, so coo is for a handful of
   entries. */
#include "methods/sparse_rows.h"

#include <string.h>

#define VALUE_BYTES ((uint64_t)4)
#define I32_ROWS ((uint64_t)1 << 31) /* rows that I32 can number */

static uint64_t times(uint64_t a, uint64_t b)
{
    return __builtin_mul_overflow(a, b, &a) ? UINT64_MAX : a;
}

static uint64_t plus(uint64_t a, uint64_t b)
{
    return __builtin_add_overflow(a, b, &a) ? UINT64_MAX : a;
}

/* Bytes of a form: those that it has anyway, and of each entry. */
struct cost {
    uint64_t fixed, entry;
};

static struct cost cost_of(const struct plan *plan, int64_t form)
{
    uint64_t entry = VALUE_BYTES + (plan->dim <= 256 ? 1 : 2);

    if (form == SPARSE_COO)
        return (struct cost){0, entry + (plan->rows <= I32_ROWS ? 4 : 8)};
    return (struct cost){times(plan->rows + 1, sizeof(int64_t)), entry};
}

static uint64_t bytes_of(const struct plan *plan, int64_t form, uint64_t entries)
{
    struct cost c = cost_of(plan, form);

    return plus(c.fixed, times(c.entry, entries));
}

/* The most entries that the budget has room for, of `cells`; 0 also where the form itself has none.
 */
static uint64_t entries_of(const struct plan *plan, int64_t form, uint64_t cells)
{
    struct cost c = cost_of(plan, form);
    uint64_t most;

    if (!plan->budget)
        return cells;
    most = plan->budget >= c.fixed ? (plan->budget - c.fixed) / c.entry : 0;
    return most < cells ? most : cells;
}

/* csr if it keeps as many, since it finds a row at once; of two that keep all, the smaller. */
static int64_t better_form(const struct plan *plan, uint64_t cells)
{
    uint64_t csr = entries_of(plan, SPARSE_CSR, cells), coo = entries_of(plan, SPARSE_COO, cells);

    if (csr == coo)
        return bytes_of(plan, SPARSE_COO, coo) < bytes_of(plan, SPARSE_CSR, csr) ? SPARSE_COO
                                                                                 : SPARSE_CSR;
    return coo > csr ? SPARSE_COO : SPARSE_CSR;
}

enum status sparse_plan(struct plan *plan, struct error *e)
{
    uint64_t cells = times(plan->rows, plan->dim), entries, one = cells ? 1 : 0, least;
    unsigned columns = plan->dim <= 256 ? DT(U8) : DT(U16);
    bool open = !plan->value[SPARSE_FORM].set;
    enum status st;
    int64_t form;

    plan->dtypes[CSR_INDICES] = plan->dtypes[COO_COL] = columns;
    plan->dtypes[COO_ROW] = plan->rows <= I32_ROWS ? DT(I32) : DT(I64);
    plan_choose(plan, SPARSE_FORM, better_form(plan, cells));
    form = plan->value[SPARSE_FORM].i;
    least = bytes_of(plan, form, one);
    if (open && bytes_of(plan, SPARSE_COO, one) < least)
        least = bytes_of(plan, SPARSE_COO, one);
    if (plan->budget && plan->budget < least)
        return plan_refuse(plan, least, e);
    entries = entries_of(plan, form, cells);
    if ((st = plan_size(plan, SPARSE_INDPTR, plan->rows + 1, e)) != ST_OK)
        return st;
    return plan_size(plan, SPARSE_ENTRIES, entries, e);
}

/* They count a column and the start of a row as a word each. */
double sparse_author_words(const struct plan *plan)
{
    uint64_t entries = 0;

    (void)symbols_get(&plan->size, SPARSE_ENTRIES, strlen(SPARSE_ENTRIES), &entries);
    if (sparse_is_coo(plan->value))
        return 3 * (double)entries;
    return 2 * (double)entries + (double)plan->rows + 1;
}
