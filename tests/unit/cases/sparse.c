/* SPDX-License-Identifier: Apache-2.0 */
/* See sparse.h. */
#include "tests/unit/cases/sparse.h"

#include "tests/unit/unit.h"

static int64_t index_at(const struct tensor *t, size_t i)
{
    switch (t->dtype) {
    case DT_U8:
        return ((const uint8_t *)t->data)[i];
    case DT_U16:
        return ((const uint16_t *)t->data)[i];
    case DT_I32:
        return ((const int32_t *)t->data)[i];
    default:
        return ((const int64_t *)t->data)[i];
    }
}

static void index_set(const struct tensor *t, size_t i, int64_t x)
{
    switch (t->dtype) {
    case DT_U8:
        ((uint8_t *)t->data)[i] = (uint8_t)x;
        break;
    case DT_U16:
        ((uint16_t *)t->data)[i] = (uint16_t)x;
        break;
    case DT_I32:
        ((int32_t *)t->data)[i] = (int32_t)x;
        break;
    default:
        ((int64_t *)t->data)[i] = x;
    }
}

static bool is_coo(const struct parameters *p)
{
    return kit_setting(p, "form")->i == 1;
}

/* The entries of a row: [*first, *end). */
static void entries(const struct parameters *p, uint64_t id, size_t *first, size_t *end)
{
    const struct tensor *rows;
    const int64_t *ends;

    if (!is_coo(p)) {
        ends = kit_tensor(p, "csr.indptr")->data;
        *first = (size_t)ends[id];
        *end = (size_t)ends[id + 1];
        return;
    }
    rows = kit_tensor(p, "coo.row");
    for (*first = 0; *first < rows->count && index_at(rows, *first) < (int64_t)id;)
        ++*first;
    for (*end = *first; *end < rows->count && index_at(rows, *end) == (int64_t)id;)
        ++*end;
}

void sparse_case_row(const struct parameters *p, uint64_t id, float *out)
{
    const struct tensor *columns = kit_tensor(p, is_coo(p) ? "coo.col" : "csr.indices");
    const struct tensor *data = kit_tensor(p, is_coo(p) ? "coo.data" : "csr.data");
    size_t first, end;

    for (uint32_t j = 0; j < p->dim; j++)
        out[j] = 0;
    entries(p, id, &first, &end);
    for (size_t i = first; i < end; i++)
        out[index_at(columns, i)] = ((const float *)data->data)[i];
}

void sparse_case_exact_row(const struct parameters *p, double *const *value, uint64_t id,
                           double *out)
{
    const struct tensor *columns = kit_tensor(p, is_coo(p) ? "coo.col" : "csr.indices");
    const struct tensor *data = kit_tensor(p, is_coo(p) ? "coo.data" : "csr.data");
    size_t first, end;

    for (uint32_t j = 0; j < p->dim; j++)
        out[j] = 0;
    entries(p, id, &first, &end);
    for (size_t i = first; i < end; i++)
        out[index_at(columns, i)] = value[data - p->tensor][i];
}

/* Entries at random places, all different; where the others have room for them, some rows without
   any. */
void sparse_case_adjust(struct parameters *p, struct random *r)
{
    const struct tensor *columns = kit_tensor(p, is_coo(p) ? "coo.col" : "csr.indices");
    uint64_t left = columns->count, cells = p->rows * p->dim, at = 0;

    for (uint64_t row = 0; row < p->rows; row++) {
        bool skip = row % 7 == 3 && left <= (p->rows - row - 1) * p->dim;

        if (!is_coo(p))
            index_set(kit_tensor(p, "csr.indptr"), row, (int64_t)at);
        for (uint32_t j = 0; j < p->dim; j++, cells--)
            if (!skip && random_below(r, cells) < left) {
                index_set(columns, at, j);
                if (is_coo(p))
                    index_set(kit_tensor(p, "coo.row"), at, (int64_t)row);
                at++;
                left--;
            }
    }
    if (!is_coo(p))
        index_set(kit_tensor(p, "csr.indptr"), p->rows, (int64_t)at);
    assert_int_equal(at, columns->count);
}
