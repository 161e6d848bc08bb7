/* SPDX-License-Identifier: Apache-2.0 */
/* A pruned table to train from the start: which entries there are is drawn once and stays, each row
   has its share of them, and they are so large that the rows have the wanted deviation over all
   their elements, of which most are 0. No state. */
#include "methods/init.h"

#include <math.h>

#include "methods/sparse_rows.h"

/* Each choice of `count` of the columns is as likely as any other: a column is taken with the
   probability that leaves the rest to those after it. Returns the next entry. */
static size_t draw_columns(const struct parameters *p, const struct draws *d, uint64_t row,
                           uint64_t count, size_t at)
{
    const struct tensor *columns = &p->tensor[sparse_columns(p->value)];
    uint64_t place = row * p->dim;

    for (uint32_t j = 0; j < p->dim && count; j++)
        if (draw_uniform(d, place + j) * (double)(p->dim - j) < (double)count) {
            sparse_index_set(columns, at, j);
            if (sparse_is_coo(p->value))
                sparse_index_set(&p->tensor[COO_ROW], at, row);
            at++;
            count--;
        }
    return at;
}

enum status sparse_init(const struct init *init, struct parameters *p, struct error *e)
{
    const struct tensor *data = &p->tensor[sparse_data(p->value)];
    struct draws d = draws_of(init, p->tensor[sparse_columns(p->value)].name);
    uint64_t each, rest, over = 0;
    size_t at = 0;

    (void)e;
    if (!sparse_is_coo(p->value))
        sparse_index_set(&p->tensor[CSR_INDPTR], 0, 0);
    if (!p->rows)
        return ST_OK;
    each = data->count / p->rows;
    rest = data->count % p->rows; /* rows with one more, as far from each other as they can be */
    for (uint64_t row = 0; row < p->rows; row++) {
        bool more = rest >= p->rows - over;

        over = more ? over - (p->rows - rest) : over + rest;
        at = draw_columns(p, &d, row, each + more, at);
        if (!sparse_is_coo(p->value))
            sparse_index_set(&p->tensor[CSR_INDPTR], row + 1, at);
    }
    if (data->count)
        init_normal(init, data,
                    init_deviation(init) * sqrt((double)p->rows * p->dim / (double)data->count));
    return ST_OK;
}
