/* SPDX-License-Identifier: Apache-2.0 */
/* Training of pruned tables: the gradient of a row goes to the entries that it has; which they are
   stays as it is. No state. */
#include "methods/gradient.h"
#include "methods/sparse_rows.h"
#include "methods/sparse_state.h"

void sparse_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                     struct gradients *out)
{
    const struct tensor *columns = &p->tensor[sparse_columns(p->value)];
    unsigned data = sparse_data(p->value);
    size_t first[SPARSE_BATCH], last[SPARSE_BATCH];

    while (n) {
        size_t m = n < SPARSE_BATCH ? n : SPARSE_BATCH;

        sparse_entries(p, row, m, first, last);
        for (size_t i = 0; i < m; i++, grad += p->dim) {
            float *to;

            if (first[i] == last[i]) /* nothing to learn, nothing to decay */
                continue;
            to = gradient_at(out, data, row[i]);
            for (size_t k = first[i]; k < last[i]; k++)
                to[k - first[i]] += grad[sparse_index(columns, k)];
        }
        row += m;
        n -= m;
    }
}

void sparse_unit_place(const struct parameters *p, unsigned tensor, uint64_t unit, uint64_t *first,
                       size_t *n)
{
    size_t begin, end;

    (void)tensor; /* the entries: nothing else has gradients */
    sparse_entries(p, &unit, 1, &begin, &end);
    *first = begin;
    *n = end - begin;
}

size_t sparse_unit_most(const struct parameters *p, unsigned tensor)
{
    const struct sparse_state *s = p->state;

    (void)tensor;
    return s->most;
}

uint64_t sparse_unit_count(const struct parameters *p, unsigned tensor)
{
    (void)tensor;
    return p->rows;
}
