/* SPDX-License-Identifier: Apache-2.0 */
/* Running a slice of a prepared lookup. Plain F32 rows are decoded straight into the reply;
   everything else goes through a few rows of scratch. Any thread, one scratch each. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "kernels/kernels.h"
#include "table/decode.h"
#include "table/lookup.h"

#define SCRATCH_FLOATS ((size_t)4096) /* half of a first-level cache */
#define SCRATCH_ROWS ((size_t)5)      /* acc and pooled, and two for method->pool; one spare */
#define BLOCK_MOST ((size_t)64)       /* rows decoded at a time */

static size_t scratch_rows(size_t dim)
{
    size_t rows = SCRATCH_FLOATS / dim;

    return rows < SCRATCH_ROWS ? SCRATCH_ROWS : rows > BLOCK_MOST + 1 ? BLOCK_MOST + 1 : rows;
}

enum status lookup_scratch_grow(struct lookup_scratch *s, size_t dim, struct error *e)
{
    size_t floats = scratch_rows(dim) * dim;
    float *room;

    if (floats <= s->floats)
        return ST_OK;
    room = mem_resize(s->room, floats, sizeof *room);
    if (!room)
        return error_memory(e, "lookup");
    s->room = room;
    s->floats = floats;
    return ST_OK;
}

void lookup_scratch_done(struct lookup_scratch *s)
{
    mem_free(s->room);
    *s = (struct lookup_scratch){0};
}

/* What a slice works with. */
struct run {
    const struct lookup *l;
    const struct table *t;
    size_t dim;
    float *acc;   /* one row: the bag's sum when it cannot be made in the reply */
    float *block; /* block_rows rows behind it */
    size_t block_rows;
};

void table_rows_or_default(const struct table *t, const uint64_t *row, size_t n, void *out)
{
    size_t row_bytes = sizeof(float) * t->dim;
    unsigned char *to = out;

    for (size_t i = 0, run; i < n; i += run) {
        for (run = 0; i + run < n && row[i + run] != ROW_UNKNOWN;)
            run++;
        if (run) {
            table_rows(t, row + i, run, to + i * row_bytes);
        } else {
            memcpy(to + i * row_bytes, t->fallback, row_bytes);
            run = 1;
        }
    }
}

void lookup_put_rows(const struct lookup *l, void *out, const float *in, size_t n)
{
    size_t dim = l->table->dim;
    unsigned char *to = out;

    switch (l->query.format) {
    case FORMAT_F16:
        kernels->f32_to_f16(out, in, n * dim);
        return;
    case FORMAT_BF16:
        kernels->f32_to_bf16(out, in, n * dim);
        return;
    case FORMAT_INT8:
        for (size_t i = 0; i < n; i++)
            kernels->f32_to_fused8(to + i * l->row_bytes, in + i * dim, dim);
        return;
    default:
        memcpy(out, in, n * dim * sizeof *in);
    }
}

static void run_rows(const struct run *r, size_t first, size_t n, unsigned char *out)
{
    const uint64_t *row = r->l->row + first;
    size_t block;

    if (r->l->query.format == FORMAT_F32) {
        if (r->l->missing_count == 0)
            table_rows(r->t, row, n, out);
        else
            table_rows_or_default(r->t, row, n, out);
        return;
    }
    for (size_t i = 0; i < n; i += block) {
        block = n - i < r->block_rows ? n - i : r->block_rows;
        table_rows_or_default(r->t, row + i, block, r->block);
        lookup_put_rows(r->l, out + i * r->l->row_bytes, r->block, block);
    }
}

/* acc += rows, each times its weight if there are any (float32 at any alignment). */
static void add_rows(const struct run *r, void *acc, const float *rows, size_t n,
                     const unsigned char *weight)
{
    for (size_t i = 0; i < n; i++) {
        float w;

        if (!weight) {
            kernels->f32_add(acc, rows + i * r->dim, r->dim);
            continue;
        }
        memcpy(&w, weight + i * sizeof w, sizeof w);
        kernels->f32_add_scaled(acc, rows + i * r->dim, w, r->dim);
    }
}

/* Rows that were decoded before their bag's turn, so that short bags do not keep rows() from asking
   for many at a time. */
struct ahead {
    size_t at, end; /* the ids of the block's rows */
    size_t last;    /* ids from here on are not ours */
};

/* The usual bag: ids [first, end) in order. */
static void sum_bag(const struct run *r, struct ahead *a, size_t first, size_t end, void *acc)
{
    const unsigned char *weight = r->l->query.weight_count ? r->l->query.weights : NULL;

    for (size_t i = first, n; i < end; i += n) {
        if (i == a->end) {
            n = a->last - i < r->block_rows ? a->last - i : r->block_rows;
            table_rows_or_default(r->t, r->l->row + i, n, r->block);
            a->at = i;
            a->end = i + n;
        }
        n = (end < a->end ? end : a->end) - i;
        add_rows(r, acc, r->block + (i - a->at) * r->dim, n,
                 weight ? weight + i * sizeof(float) : NULL);
    }
    if (r->l->query.pooling == POOLING_MEAN && end > first)
        kernels->f32_div(acc, (float)(end - first), r->dim);
}

/* Rows [first, end) of a group that belong to one part, pooled as the part does it, added to acc.
 */
static void add_part(const struct run *r, const struct parameters *p, const uint64_t *row,
                     const void *weight, size_t n, float divisor, void *acc)
{
    float *pooled = r->block, *room = r->block + r->dim;
    size_t rows = r->block_rows - 1;

    if (p->pool_first) {
        p->method->pool(p, row, weight, n, divisor, pooled, room);
        kernels->f32_add(acc, pooled, r->dim);
        return;
    }
    memset(pooled, 0, r->dim * sizeof *pooled);
    for (size_t i = 0, block; i < n; i += block) {
        block = n - i < rows ? n - i : rows;
        p->method->rows(p, row + i, block, room);
        add_rows(r, pooled, room, block,
                 weight ? (const unsigned char *)weight + i * sizeof(float) : NULL);
    }
    if (divisor != 1)
        kernels->f32_div(pooled, divisor, r->dim);
    kernels->f32_add(acc, pooled, r->dim);
}

/* The share of `n` unknown ids. */
static void add_default(const struct run *r, const float *weight, size_t n, float divisor,
                        void *acc)
{
    float *share = r->block, factor = (float)n;

    if (weight) {
        factor = 0;
        for (size_t i = 0; i < n; i++)
            factor += weight[i];
    }
    memset(share, 0, r->dim * sizeof *share);
    kernels->f32_add_scaled(share, r->t->fallback, factor, r->dim);
    if (divisor != 1)
        kernels->f32_div(share, divisor, r->dim);
    kernels->f32_add(acc, share, r->dim);
}

/* A bag of a table that pools before it composes: part by part. */
static void pool_bag(const struct run *r, size_t first, size_t end, void *acc)
{
    const struct lookup_group *g = r->l->group;
    const struct lookup_query *q = &r->l->query;
    float divisor = q->pooling == POOLING_MEAN ? (float)(end - first) : 1.0f;

    if (!g) { /* one part, nothing unknown */
        if (end > first)
            add_part(r, &r->t->part[0], r->l->row + first,
                     q->weight_count ? (const unsigned char *)q->weights + first * sizeof(float)
                                     : NULL,
                     end - first, divisor, acc);
        return;
    }
    for (size_t i = first, n; i < end; i += n) {
        const float *weight = g->weight ? g->weight + i : NULL;

        for (n = 1; i + n < end && g->part[i + n] == g->part[i];)
            n++;
        if (g->part[i] < r->t->part_count)
            add_part(r, &r->t->part[g->part[i]], g->row + i, weight, n, divisor, acc);
        else
            add_default(r, weight, n, divisor, acc);
    }
}

static void run_bags(const struct run *r, size_t first, size_t n, unsigned char *out)
{
    const unsigned char *offsets = r->l->query.offsets;
    bool in_place = r->l->query.format == FORMAT_F32, pool_first = false;
    uint32_t bound[2];
    struct ahead ahead;

    memcpy(bound, offsets + first * sizeof *bound, sizeof *bound);
    memcpy(bound + 1, offsets + (first + n) * sizeof *bound, sizeof *bound);
    ahead = (struct ahead){bound[0], bound[0], bound[1]};

    for (size_t i = 0; i < r->t->part_count; i++)
        pool_first = pool_first || r->t->part[i].pool_first;
    for (size_t b = first; b < first + n; b++, out += r->l->row_bytes) {
        void *acc = in_place ? (void *)out : r->acc;

        memcpy(bound, offsets + b * sizeof *bound, sizeof bound);
        memset(acc, 0, r->dim * sizeof(float));
        if (pool_first)
            pool_bag(r, bound[0], bound[1], acc);
        else
            sum_bag(r, &ahead, bound[0], bound[1], acc);
        if (!in_place)
            lookup_put_rows(r->l, out, r->acc, 1);
    }
}

enum status lookup_whole(const struct lookup *l, struct error *e)
{
    if (!table_damaged(l->table))
        return ST_OK;
    return error_set(e, ST_DATA_LOSS, "the file %s was damaged while it was served",
                     QUOTE(l->table->path));
}

enum status lookup_run(const struct lookup *l, size_t first, size_t n, void *out,
                       struct lookup_scratch *scratch, struct error *e)
{
    struct run r = {.l = l, .t = l->table, .dim = l->table->dim};
    enum status st;

    if (n == 0)
        return ST_OK;
    st = lookup_scratch_grow(scratch, r.dim, e);
    if (st != ST_OK)
        return st;
    r.acc = scratch->room;
    r.block = r.acc + r.dim;
    r.block_rows = scratch_rows(r.dim) - 1;
    if (l->query.pooling == POOLING_NONE)
        run_rows(&r, first, n, out);
    else
        run_bags(&r, first, n, out);
    return lookup_whole(l, e);
}
