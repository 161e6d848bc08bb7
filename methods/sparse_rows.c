/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of which only some entries are stored: declarations, and lookups. Rules, training, budget
   and start are in files of their own. */
#include "methods/sparse_rows.h"

#include <string.h>

#include "base/memory.h"
#include "base/prefetch.h"
#include "methods/explain.h"
#include "methods/sparse_state.h"

const struct setting sparse_settings[SPARSE_SETTINGS] = {
    [SPARSE_FORM] = {"form", SETTING_CHOICE, .choices = "csr coo",
                     .help = "where each row's entries begin, or the row of each entry"},
};

#define COLUMN_TYPES (DT(U8) | DT(U16) | DT(I32))
#define ENTRY_FLAGS (TENSOR_TRAINED | TENSOR_BY_ROW)
const struct tensor_decl sparse_tensors[SPARSE_TENSORS] = {
    [CSR_INDPTR] = {"csr.indptr", DT(I64), SPARSE_INDPTR, .when = "form=csr",
                    .flags = TENSOR_ADDRESS, .help = "where each row's entries begin, and the end"},
    [CSR_INDICES] = {"csr.indices", COLUMN_TYPES, SPARSE_ENTRIES, .when = "form=csr",
                     .flags = TENSOR_ADDRESS, .help = "the column of each entry"},
    [CSR_DATA] = {"csr.data", DT(F32), SPARSE_ENTRIES, .when = "form=csr", .flags = ENTRY_FLAGS,
                  .help = "the entries, row by row"},
    [COO_ROW] = {"coo.row", DT(I32) | DT(I64), SPARSE_ENTRIES, .when = "form=coo",
                 .flags = TENSOR_ADDRESS, .help = "the row of each entry"},
    [COO_COL] = {"coo.col", COLUMN_TYPES, SPARSE_ENTRIES, .when = "form=coo",
                 .flags = TENSOR_ADDRESS, .help = "the column of each entry"},
    [COO_DATA] = {"coo.data", DT(F32), SPARSE_ENTRIES, .when = "form=coo", .flags = ENTRY_FLAGS,
                  .help = "the entries, row by row"},
};

uint64_t sparse_index(const struct tensor *t, size_t i)
{
    switch (t->dtype) {
    case DT_U8:
        return ((const uint8_t *)t->data)[i];
    case DT_U16:
        return ((const uint16_t *)t->data)[i];
    case DT_I32:
        return (uint64_t)((const int32_t *)t->data)[i];
    default:
        return (uint64_t)((const int64_t *)t->data)[i];
    }
}

void sparse_index_set(const struct tensor *t, size_t i, uint64_t index)
{
    switch (t->dtype) {
    case DT_U8:
        ((uint8_t *)t->data)[i] = (uint8_t)index;
        break;
    case DT_U16:
        ((uint16_t *)t->data)[i] = (uint16_t)index;
        break;
    case DT_I32:
        ((int32_t *)t->data)[i] = (int32_t)index;
        break;
    default:
        ((int64_t *)t->data)[i] = (int64_t)index;
    }
}

/* Inlined as prefetch() has to be. */
static inline __attribute__((always_inline)) void
prefetch_entries(const struct tensor *columns, const float *data, size_t first, size_t last)
{
    size_t width = dtype_size(columns->dtype), n = last - first;

    prefetch((const unsigned char *)columns->data + first * width, n * width);
    prefetch(data + first, n * sizeof *data);
}

/* What is asked for is on its way from memory before the first of it is needed. */
static void csr_entries(const struct parameters *p, const uint64_t *row, size_t n, size_t *first,
                        size_t *last)
{
    const int64_t *ends = p->tensor[CSR_INDPTR].data;

    for (size_t i = 0; i < n; i++)
        __builtin_prefetch(ends + row[i]);
    for (size_t i = 0; i < n; i++) {
        first[i] = (size_t)ends[row[i]];
        last[i] = (size_t)ends[row[i] + 1];
        prefetch_entries(&p->tensor[CSR_INDICES], p->tensor[CSR_DATA].data, first[i], last[i]);
    }
}

/* The first entry in [low, high) whose row is not below `row`, or high. */
static size_t lower_bound(const struct tensor *rows, size_t low, size_t high, uint64_t row)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (sparse_index(rows, middle) < row)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void coo_entries(const struct parameters *p, const uint64_t *row, size_t n, size_t *first,
                        size_t *last)
{
    const struct sparse_state *s = p->state;
    const struct tensor *rows = &p->tensor[COO_ROW];
    size_t width = dtype_size(rows->dtype);

    for (size_t i = 0; i < n; i++)
        __builtin_prefetch(s->start + (row[i] >> s->shift));
    for (size_t i = 0; i < n; i++) {
        first[i] = s->start[row[i] >> s->shift];
        last[i] = s->start[(row[i] >> s->shift) + 1];
        __builtin_prefetch((const unsigned char *)rows->data +
                           (first[i] + (last[i] - first[i]) / 2) * width);
    }
    for (size_t i = 0; i < n; i++) {
        first[i] = lower_bound(rows, first[i], last[i], row[i]);
        last[i] = lower_bound(rows, first[i], last[i], row[i] + 1);
        prefetch_entries(&p->tensor[COO_COL], p->tensor[COO_DATA].data, first[i], last[i]);
    }
}

void sparse_entries(const struct parameters *p, const uint64_t *row, size_t n, size_t *first,
                    size_t *last)
{
    if (sparse_is_coo(p->value))
        coo_entries(p, row, n, first, last);
    else
        csr_entries(p, row, n, first, last);
}

/* `n` entries to their columns of a row of any alignment. No loop of kernels/: each entry goes to a
   place of its own, which vectors do no faster. */
#define DEFINE_SCATTER(type)                                                                       \
    static inline void scatter_##type(unsigned char *out, const type *column, const float *data,   \
                                      size_t n)                                                    \
    {                                                                                              \
        for (size_t k = 0; k < n; k++)                                                             \
            memcpy(out + (size_t)column[k] * sizeof *data, data + k, sizeof *data);                \
    }
DEFINE_SCATTER(uint8_t)
DEFINE_SCATTER(uint16_t)
DEFINE_SCATTER(int32_t)

void sparse_rows(const struct parameters *p, const uint64_t *row, size_t n, void *out)
{
    const struct tensor *columns = &p->tensor[sparse_columns(p->value)];
    const float *data = p->tensor[sparse_data(p->value)].data;
    size_t first[SPARSE_BATCH], last[SPARSE_BATCH], row_bytes = p->dim * sizeof(float);
    unsigned char *to = out;

    while (n) {
        size_t m = n < SPARSE_BATCH ? n : SPARSE_BATCH;

        sparse_entries(p, row, m, first, last);
        memset(to, 0, m * row_bytes);
        for (size_t i = 0; i < m; i++, to += row_bytes) {
            const float *from = data + first[i];
            size_t count = last[i] - first[i];

            if (columns->dtype == DT_U8)
                scatter_uint8_t(to, (const uint8_t *)columns->data + first[i], from, count);
            else if (columns->dtype == DT_U16)
                scatter_uint16_t(to, (const uint16_t *)columns->data + first[i], from, count);
            else
                scatter_int32_t(to, (const int32_t *)columns->data + first[i], from, count);
        }
        row += m;
        n -= m;
    }
}

void sparse_explain(const struct parameters *p, uint64_t row, struct explanation *x)
{
    const struct tensor *columns = &p->tensor[sparse_columns(p->value)];
    size_t first, last;
    int64_t *list;

    sparse_entries(p, &row, 1, &first, &last);
    explain_number(x, "stored entries", (int64_t)(last - first));
    explain_number(x, "first entry", (int64_t)first);
    list = mem_zero(last - first, sizeof *list);
    if (!list) {
        x->status = ST_EXHAUSTED;
        return;
    }
    for (size_t i = first; i < last; i++)
        list[i - first] = (int64_t)sparse_index(columns, i);
    explain_numbers(x, "columns", list, last - first);
    mem_free(list);
    explain_cells(x, p, sparse_data(p->value), row, 0, last - first, 0);
}
