/* SPDX-License-Identifier: Apache-2.0 */
/* Pruned tables: SciPy's matrices, whose entries may be in any order, and dense tables with the
   zeros still in them. What is sorted or picked out is made in memory. */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/import/import.h"

struct entry {
    int64_t row, column;
    float value;
};

static int compare(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->row != y->row)
        return x->row < y->row ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

/* An array's numbers as another type, in memory. */
static enum status numbers(struct part *p, const char *tensor, enum dtype dtype, void **out,
                           size_t *n, struct error *e)
{
    struct part_source source = *part_find(p, tensor);
    struct tensor to = source.wanted;
    enum status st;

    *out = NULL;
    if (!import_convertible(source.array->tensor.dtype, dtype))
        return error_set(e, ST_INVALID, "array %s holds %s", QUOTE(source.array->name),
                         dtype_name(source.array->tensor.dtype));
    to.dtype = dtype;
    to.data = *out = mem_zero(to.count, dtype_size(dtype));
    if (!to.data)
        return error_memory(e, tensor);
    *n = to.count;
    st = import_copy(&to, &source, NULL, NULL, e);
    if (st != ST_OK)
        error_prefix(e, st, "array %s", QUOTE(source.array->name));
    return st;
}

enum status measure_csr(struct part *p, struct error *e)
{
    uint64_t places = part_shape(p, "csr.indptr")->count;

    if (!places)
        return error_set(e, ST_INVALID, "array %s is empty; it has one number more than rows",
                         QUOTE(part_find(p, "csr.indptr")->array->name));
    p->rows = places - 1;
    return ST_OK;
}

/* Sort the entries of each row by column; places are checked first. */
static enum status sort_csr(struct entry *entry, const int64_t *place, size_t places, size_t n,
                            struct error *e)
{
    for (size_t i = 0; i + 1 < places; i++) {
        if (place[i] < 0 || place[i + 1] < place[i] || (uint64_t)place[i + 1] > n)
            return error_set(e, ST_INVALID, "array indptr: row %zu begins at %lld and ends at %lld",
                             i, (long long)place[i], (long long)place[i + 1]);
        for (int64_t k = place[i]; k < place[i + 1]; k++)
            entry[k].row = (int64_t)i;
        qsort(entry + place[i], (size_t)(place[i + 1] - place[i]), sizeof *entry, compare);
    }
    return ST_OK;
}

/* Entries as two arrays of the part's own. */
static enum status own_entries(struct part *p, const char *column, const char *data,
                               const struct entry *entry, size_t n, struct error *e)
{
    void *columns, *values;
    enum status st = part_own(p, column, DT_I64, n, &columns, e);

    if (st == ST_OK)
        st = part_own(p, data, DT_F32, n, &values, e);
    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < n; i++) {
        ((int64_t *)columns)[i] = entry[i].column;
        ((float *)values)[i] = entry[i].value;
    }
    part_narrow(p, column, p->dim);
    return ST_OK;
}

/* Entries from arrays of columns and values; `row` may be NULL. */
static enum status gather(struct entry **out, const int64_t *row, const int64_t *column,
                          const float *value, size_t n, struct error *e)
{
    struct entry *entry = mem_zero(n, sizeof *entry);

    if (!entry)
        return error_memory(e, "entries");
    for (size_t i = 0; i < n; i++)
        entry[i] = (struct entry){row ? row[i] : 0, column[i], value[i]};
    *out = entry;
    return ST_OK;
}

static enum status same_count(size_t a, size_t b, struct error *e)
{
    return a == b ? ST_OK : error_set(e, ST_INVALID, "there are %zu indices and %zu values", a, b);
}

enum status derive_csr(struct part *p, struct error *e)
{
    void *place = NULL, *column = NULL, *value = NULL;
    struct entry *entry = NULL;
    size_t places, n, values;
    enum status st;

    st = numbers(p, "csr.indptr", DT_I64, &place, &places, e);
    if (st == ST_OK)
        st = numbers(p, "csr.indices", DT_I64, &column, &n, e);
    if (st == ST_OK)
        st = numbers(p, "csr.data", DT_F32, &value, &values, e);
    if (st == ST_OK)
        st = same_count(n, values, e);
    if (st == ST_OK)
        st = gather(&entry, NULL, column, value, n, e);
    if (st == ST_OK)
        st = sort_csr(entry, place, places, n, e);
    if (st == ST_OK)
        st = own_entries(p, "csr.indices", "csr.data", entry, n, e);
    mem_free(place);
    mem_free(column);
    mem_free(value);
    mem_free(entry);
    return st;
}

enum status derive_coo(struct part *p, struct error *e)
{
    void *row = NULL, *column = NULL, *value = NULL, *rows;
    struct entry *entry = NULL;
    size_t n, columns, values;
    enum status st;

    st = numbers(p, "coo.row", DT_I64, &row, &n, e);
    if (st == ST_OK)
        st = numbers(p, "coo.col", DT_I64, &column, &columns, e);
    if (st == ST_OK)
        st = numbers(p, "coo.data", DT_F32, &value, &values, e);
    if (st == ST_OK)
        st = same_count(columns, values, e);
    if (st == ST_OK)
        st = same_count(n, values, e);
    if (st == ST_OK)
        st = gather(&entry, row, column, value, n, e);
    if (st == ST_OK) {
        qsort(entry, n, sizeof *entry, compare);
        st = own_entries(p, "coo.col", "coo.data", entry, n, e);
    }
    if (st == ST_OK)
        st = part_own(p, "coo.row", DT_I64, n, &rows, e);
    for (size_t i = 0; st == ST_OK && i < n; i++)
        ((int64_t *)rows)[i] = entry[i].row;
    mem_free(row);
    mem_free(column);
    mem_free(value);
    mem_free(entry);
    return st;
}

/* ---- Dense tables ---- */

/* What makes a stored weight the weight of a lookup: a mask, or a factor by group and column. */
struct factors {
    int64_t *mask;  /* [N,D], or NULL */
    int64_t *group; /* [N], or NULL */
    float *alpha;   /* [groups,D] */
    uint64_t groups;
};

static enum status read_factors(struct part *p, struct factors *f, struct error *e)
{
    const struct tensor *weight = part_shape(p, "weight"), *alpha = part_shape(p, "alpha");
    enum status st = ST_OK;
    void *out;
    size_t n;

    if (part_find(p, "mask")) {
        st = numbers(p, "mask", DT_I64, &out, &n, e);
        f->mask = out;
        return st == ST_OK ? same_count(n, weight->count, e) : st;
    }
    if (!alpha)
        return ST_OK;
    st = numbers(p, "group", DT_I64, &out, &n, e);
    f->group = out;
    if (st == ST_OK)
        st = same_count(n, p->rows, e);
    if (st != ST_OK)
        return st;
    st = numbers(p, "alpha", DT_F32, &out, &n, e);
    f->alpha = out;
    f->groups = n / p->dim;
    for (uint64_t x = 0; st == ST_OK && x < p->rows; x++)
        if (f->group[x] < 0 || (uint64_t)f->group[x] >= f->groups)
            st = error_set(e, ST_INVALID, "array %s: row %llu is in group %lld of %llu",
                           QUOTE(part_find(p, "group")->array->name), (unsigned long long)x,
                           (long long)f->group[x], (unsigned long long)f->groups);
    return st;
}

static float weigh(const struct factors *f, const float *weight, uint64_t x, uint64_t j,
                   uint32_t dim)
{
    float w = weight[x * dim + j];

    if (f->mask)
        return f->mask[x * dim + j] ? w : 0;
    return f->group ? w * f->alpha[(uint64_t)f->group[x] * dim + j] : w;
}

/* The entries that are not zero, as CSR. */
enum status derive_dense(struct part *p, struct error *e)
{
    void *weight = NULL, *place = NULL;
    struct entry *entry = NULL;
    struct factors f = {0};
    size_t n, kept = 0;
    enum status st;

    st = numbers(p, "weight", DT_F32, &weight, &n, e);
    if (st == ST_OK && n != p->rows * p->dim)
        st = error_set(e, ST_INVALID, "array %s must have two dimensions",
                       QUOTE(part_find(p, "weight")->array->name));
    if (st == ST_OK)
        st = read_factors(p, &f, e);
    for (uint64_t x = 0; st == ST_OK && x < p->rows; x++)
        for (uint64_t j = 0; j < p->dim; j++)
            kept += weigh(&f, weight, x, j, p->dim) != 0;
    if (st == ST_OK)
        st = part_own(p, "csr.indptr", DT_I64, p->rows + 1, &place, e);
    if (st == ST_OK && !(entry = mem_zero(kept, sizeof *entry)))
        st = error_memory(e, "entries");
    kept = 0;
    for (uint64_t x = 0; st == ST_OK && x < p->rows; x++) {
        for (uint64_t j = 0; j < p->dim; j++) {
            float w = weigh(&f, weight, x, j, p->dim);

            if (w != 0) /* true for NaN, which is refused with its place when it is stored */
                entry[kept++] = (struct entry){(int64_t)x, (int64_t)j, w};
        }
        ((int64_t *)place)[x + 1] = (int64_t)kept;
    }
    if (st == ST_OK)
        st = own_entries(p, "csr.indices", "csr.data", entry, kept, e);
    mem_free(weight);
    mem_free(entry);
    mem_free(f.mask);
    mem_free(f.group);
    mem_free(f.alpha);
    return st;
}
