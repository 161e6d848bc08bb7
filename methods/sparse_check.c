/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of pruned tables: every index leads inside, entries are in order and each is there
   once. What the check learns on its way speeds lookups up. */
#include <inttypes.h>

#include "base/memory.h"
#include "methods/sparse_rows.h"
#include "methods/sparse_state.h"

static enum status check_types(const struct parameters *p, struct error *e)
{
    const struct tensor *columns = &p->tensor[sparse_columns(p->value)];

    if (columns->dtype == DT_U8 && p->dim > 256)
        return error_set(e, ST_INVALID,
                         "tensor \"%s\" holds U8, which is for at most 256 columns, not %" PRIu32,
                         columns->name, p->dim);
    return ST_OK;
}

/* Entry i of a row: its column is there, and after that of the entry before it. */
static enum status check_column(const struct parameters *p, size_t i, bool begins, uint64_t row,
                                struct error *e)
{
    const struct tensor *columns = &p->tensor[sparse_columns(p->value)];
    uint64_t column = sparse_index(columns, i);

    if (column >= p->dim)
        return error_set(e, ST_INVALID,
                         "tensor \"%s\": element %zu (row %" PRIu64 ") is %" PRId64
                         "; the columns are 0 to %" PRIu32,
                         columns->name, i, row, (int64_t)column, p->dim - 1);
    if (!begins && column <= sparse_index(columns, i - 1))
        return error_set(e, ST_INVALID,
                         "tensor \"%s\": element %zu is %" PRIu64 " after %" PRIu64
                         "; columns must ascend within a row (%" PRIu64 ")",
                         columns->name, i, column, sparse_index(columns, i - 1), row);
    return ST_OK;
}

static enum status check_csr(const struct parameters *p, size_t *most, struct error *e)
{
    const struct tensor *indptr = &p->tensor[CSR_INDPTR];
    const int64_t *ends = indptr->data;
    size_t count = p->tensor[CSR_DATA].count;
    enum status st;

    if (indptr->shape[0] != p->rows + 1)
        return error_set(e, ST_INVALID,
                         "tensor \"%s\" has %" PRIu64 " elements; it must have N + 1 = %" PRIu64,
                         indptr->name, indptr->shape[0], p->rows + 1);
    if (ends[0] != 0)
        return error_set(e, ST_INVALID, "tensor \"%s\" begins with %" PRId64 "; it must be 0",
                         indptr->name, ends[0]);
    for (uint64_t row = 0; row < p->rows; row++) /* all of it before anything is read by it */
        if (ends[row + 1] < ends[row])
            return error_set(e, ST_INVALID,
                             "tensor \"%s\": element %" PRIu64 " is %" PRId64 " after %" PRId64
                             "; it must never fall",
                             indptr->name, row + 1, ends[row + 1], ends[row]);
    if ((uint64_t)ends[p->rows] != count)
        return error_set(e, ST_INVALID,
                         "tensor \"%s\" ends with %" PRId64 "; there are %zu entries", indptr->name,
                         ends[p->rows], count);
    for (uint64_t row = 0; row < p->rows; row++) {
        size_t first = (size_t)ends[row], last = (size_t)ends[row + 1];

        for (size_t i = first; i < last; i++)
            if ((st = check_column(p, i, i == first, row, e)) != ST_OK)
                return st;
        *most = last - first > *most ? last - first : *most;
    }
    return ST_OK;
}

static enum status check_coo(const struct parameters *p, size_t *most, struct error *e)
{
    const struct tensor *rows = &p->tensor[COO_ROW];
    uint64_t before = 0;
    size_t first = 0; /* entry of the row in hand */
    enum status st;

    for (size_t i = 0; i < rows->count; i++) {
        uint64_t row = sparse_index(rows, i);

        if (row >= p->rows)
            return error_set(e, ST_INVALID,
                             "tensor \"%s\": element %zu is %" PRId64
                             "; it must be from 0 to below N = %" PRIu64,
                             rows->name, i, (int64_t)row, p->rows);
        if (i > 0 && row < before)
            return error_set(e, ST_INVALID,
                             "tensor \"%s\": element %zu is %" PRIu64 " after %" PRIu64
                             "; rows must never fall",
                             rows->name, i, row, before);
        if (row != before)
            first = i;
        if ((st = check_column(p, i, i == first, row, e)) != ST_OK)
            return st;
        *most = i + 1 - first > *most ? i + 1 - first : *most;
        before = row;
    }
    return ST_OK;
}

static enum status make_starts(const struct parameters *p, struct sparse_state *s, struct error *e)
{
    const struct tensor *rows = &p->tensor[COO_ROW];
    uint64_t last = p->rows ? p->rows - 1 : 0, count;
    size_t i = 0;

    while (last >> s->shift > rows->count / START_ENTRIES)
        s->shift++;
    count = (last >> s->shift) + 2;
    s->start = mem_zero((size_t)count, sizeof *s->start);
    if (!s->start)
        return error_memory(e, "starts of rows");
    for (uint64_t b = 0; b < count; b++) {
        while (i < rows->count && sparse_index(rows, i) >> s->shift < b)
            i++;
        s->start[b] = i;
    }
    return ST_OK;
}

enum status sparse_check(struct parameters *p, struct error *e)
{
    struct sparse_state *s;
    enum status st = check_types(p, e);
    size_t most = 0;

    if (st == ST_OK)
        st = sparse_is_coo(p->value) ? check_coo(p, &most, e) : check_csr(p, &most, e);
    if (st != ST_OK)
        return st;
    s = mem_zero(1, sizeof *s);
    if (!s)
        return error_memory(e, "sparse rows");
    s->most = most;
    if (sparse_is_coo(p->value) && (st = make_starts(p, s, e)) != ST_OK) {
        mem_free(s);
        return st;
    }
    p->state = s;
    return ST_OK;
}

void sparse_release(struct parameters *p)
{
    struct sparse_state *s = p->state;

    if (s)
        mem_free(s->start);
    mem_free(s);
    p->state = NULL;
}
