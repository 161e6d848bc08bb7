/* SPDX-License-Identifier: Apache-2.0 */
/* Preparing a lookup: hold the query against its rules, resolve ids, and, for methods that pool
   before they compose, sort bags by part. All memory is the call's arena. */
#include "table/lookup.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "kernels/kernels.h"
#include "table/part.h"

size_t format_row_bytes(enum vector_format format, uint32_t dim)
{
    switch (format) {
    case FORMAT_F16:
    case FORMAT_BF16:
        return (size_t)dim * 2;
    case FORMAT_INT8:
        return FUSED8_BYTES(dim);
    default:
        return (size_t)dim * sizeof(float);
    }
}

static uint32_t offset_at(const struct lookup_query *q, size_t i)
{
    uint32_t v;

    memcpy(&v, (const unsigned char *)q->offsets + i * sizeof v, sizeof v);
    return v;
}

static float weight_at(const struct lookup_query *q, size_t i)
{
    float v;

    memcpy(&v, (const unsigned char *)q->weights + i * sizeof v, sizeof v);
    return v;
}

static enum status check_enums(const struct lookup_query *q, struct error *e)
{
    /* As unsigned: they come from a peer and may be anything. */
    if ((unsigned)q->pooling > POOLING_MEAN)
        return error_set(e, ST_INVALID, "pooling is %u; it must be NONE (0), SUM (1) or MEAN (2)",
                         (unsigned)q->pooling);
    if ((unsigned)q->format > FORMAT_INT8)
        return error_set(e, ST_INVALID,
                         "format is %u; it must be F32 (0), F16 (1), BF16 (2) or INT8 (3)",
                         (unsigned)q->format);
    if ((unsigned)q->missing > MISSING_ERROR)
        return error_set(e, ST_INVALID, "missing is %u; it must be FILL (0) or ERROR (1)",
                         (unsigned)q->missing);
    if (q->id_count > UINT32_MAX)
        return error_set(e, ST_INVALID, "%zu ids are more than positions of 32 bits can name",
                         q->id_count);
    return ST_OK;
}

static enum status check_offsets(const struct lookup_query *q, struct error *e)
{
    uint32_t last, next;

    if (q->pooling == POOLING_NONE)
        return q->offset_count == 0
                   ? ST_OK
                   : error_set(e, ST_INVALID,
                               "%zu offsets without pooling; they go with SUM or MEAN",
                               q->offset_count);
    if (q->offset_count == 0)
        return error_set(e, ST_INVALID, "no offsets; pooling needs one more than there are bags");
    last = offset_at(q, 0);
    if (last != 0)
        return error_set(e, ST_INVALID, "offsets[0] = %" PRIu32 "; it must be 0", last);
    for (size_t i = 1; i < q->offset_count; i++, last = next) {
        next = offset_at(q, i);
        if (next < last)
            return error_set(e, ST_INVALID,
                             "offsets[%zu] = %" PRIu32 " is below offsets[%zu] = %" PRIu32, i, next,
                             i - 1, last);
        if (next > q->id_count)
            return error_set(e, ST_INVALID,
                             "offsets[%zu] = %" PRIu32 " is above the number of ids, %zu", i, next,
                             q->id_count);
    }
    if (last != q->id_count)
        return error_set(e, ST_INVALID,
                         "offsets[%zu] = %" PRIu32 "; the last one must be the number of ids, %zu",
                         q->offset_count - 1, last, q->id_count);
    return ST_OK;
}

static enum status check_weights(const struct lookup_query *q, struct error *e)
{
    if (q->weight_count == 0)
        return ST_OK;
    if (q->pooling != POOLING_SUM)
        return error_set(e, ST_INVALID, "%zu weights without SUM; they go with SUM only",
                         q->weight_count);
    if (q->weight_count != q->id_count)
        return error_set(e, ST_INVALID, "%zu weights for %zu ids; there must be one an id",
                         q->weight_count, q->id_count);
    for (size_t i = 0; i < q->weight_count; i++)
        if (!isfinite(weight_at(q, i)))
            return error_set(e, ST_INVALID, "weights[%zu] is not finite", i);
    return ST_OK;
}

static enum status no_room(size_t need, struct error *e)
{
    return error_set(e, ST_EXHAUSTED,
                     "the lookup needs %zu bytes of memory, more than a call may take", need);
}

static enum status refuse_id(const struct lookup *l, size_t place, struct error *e)
{
    int64_t id;

    memcpy(&id, (const unsigned char *)l->query.ids + place * sizeof id, sizeof id);
    if (l->table->ids == IDS_ROWS && l->table->rows)
        return error_set(e, ST_RANGE,
                         "ids[%zu] = %" PRId64 " is not in the table, whose ids are 0 to %" PRIu64,
                         place, id, l->table->rows - 1);
    return error_set(e, ST_RANGE, "ids[%zu] = %" PRId64 " is not in the table", place, id);
}

static enum status resolve(struct lookup *l, struct arena *arena, struct error *e)
{
    size_t n = l->query.id_count, unknown, found = 0;

    if (n == 0)
        return ST_OK;
    l->row = arena_alloc(arena, n, sizeof *l->row);
    if (!l->row)
        return no_room(n * sizeof *l->row, e);
    unknown = table_resolve(l->table, l->query.ids, n, l->row);
    if (unknown == 0)
        return ST_OK;
    if (l->query.missing == MISSING_FILL) {
        l->missing = arena_alloc(arena, unknown, sizeof *l->missing);
        if (!l->missing)
            return no_room(unknown * sizeof *l->missing, e);
    }
    for (size_t i = 0; found < unknown; i++) {
        if (l->row[i] != ROW_UNKNOWN)
            continue;
        if (l->query.missing == MISSING_ERROR)
            return refuse_id(l, i, e);
        l->missing[found++] = (uint32_t)i;
    }
    l->missing_count = unknown;
    return ST_OK;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Sort the ids [first, end) of one bag: `order` gets part and position in one number each. */
static void group_bag(struct lookup *l, uint64_t *order, size_t first, size_t end)
{
    const struct table *t = l->table;
    struct lookup_group *g = l->group;
    bool sorted = true;

    for (size_t i = first; i < end; i++) {
        uint64_t part = l->row[i] == ROW_UNKNOWN ? t->part_count : table_part(t, l->row[i]);

        order[i] = part << 32 | i;
        sorted = sorted && (i == first || order[i - 1] < order[i]);
    }
    if (!sorted)
        qsort(order + first, end - first, sizeof *order, by_value);
    for (size_t i = first; i < end; i++) {
        size_t from = (uint32_t)order[i];

        g->part[i] = (uint32_t)(order[i] >> 32);
        g->row[i] =
            g->part[i] < t->part_count ? l->row[from] - t->part_first[g->part[i]] : ROW_UNKNOWN;
        if (g->weight)
            g->weight[i] = weight_at(&l->query, from);
    }
}

/* Whether bags must be taken part by part through l->group. */
static bool needs_groups(const struct lookup *l)
{
    const struct table *t = l->table;

    if (l->query.pooling == POOLING_NONE || l->query.id_count == 0)
        return false;
    if (t->part_count == 1 && l->missing_count == 0)
        return false;
    for (size_t i = 0; i < t->part_count; i++)
        if (t->part[i].pool_first)
            return true;
    return false;
}

static enum status group(struct lookup *l, struct arena *arena, struct error *e)
{
    size_t n = l->query.id_count;
    bool weighted = l->query.weight_count > 0;
    uint64_t *order = arena_alloc(arena, n, sizeof *order);
    struct lookup_group *g = arena_zero(arena, 1, sizeof *g);

    if (g) {
        g->row = arena_alloc(arena, n, sizeof *g->row);
        g->part = arena_alloc(arena, n, sizeof *g->part);
        g->weight = weighted ? arena_alloc(arena, n, sizeof *g->weight) : NULL;
    }
    if (!order || !g || !g->row || !g->part || (weighted && !g->weight))
        return no_room(n * 24, e);
    l->group = g;
    for (size_t b = 0; b < l->rows; b++)
        group_bag(l, order, offset_at(&l->query, b), offset_at(&l->query, b + 1));
    return ST_OK;
}

enum status lookup_prepare(struct lookup *out, const struct table *table,
                           const struct lookup_query *query, struct arena *arena, struct error *e)
{
    struct lookup l = {.table = table, .query = *query};
    enum status st = check_enums(query, e);

    if (st == ST_OK)
        st = check_offsets(query, e);
    if (st == ST_OK)
        st = check_weights(query, e);
    if (st == ST_OK)
        st = resolve(&l, arena, e);
    if (st != ST_OK)
        return st;
    l.rows = query->pooling == POOLING_NONE ? query->id_count : query->offset_count - 1;
    l.row_bytes = format_row_bytes(query->format, table->dim);
    if (__builtin_mul_overflow(table->work, query->id_count - l.missing_count, &l.work))
        l.work = UINT64_MAX;
    if (needs_groups(&l)) {
        st = group(&l, arena, e);
        if (st != ST_OK)
            return st;
    }
    *out = l;
    return ST_OK;
}

size_t lookup_slice(const struct lookup *l, size_t first, size_t ids)
{
    size_t low, high = l->rows - first, most = ids ? ids : 1;
    uint32_t start;

    if (high > most) /* empty bags are work too */
        high = most;
    if (l->query.pooling == POOLING_NONE || high <= 1)
        return high;
    /* The most bags, at least one, that hold no more than `most` ids. */
    start = offset_at(&l->query, first);
    for (low = 1; low < high;) {
        size_t middle = low + (high - low + 1) / 2;

        if (offset_at(&l->query, first + middle) - start <= most)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}
