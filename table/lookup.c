/* SPDX-License-Identifier: Apache-2.0 */
/* Preparing a lookup: hold the query against its rules and resolve ids. All memory is the call's
   arena. */
#include "table/lookup.h"

#include "kernels/kernels.h"
#include "table/bags.h"

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

static struct bags bags_of(const struct lookup_query *q)
{
    return (struct bags){.ids = q->ids,
                         .id_count = q->id_count,
                         .pooling = q->pooling,
                         .offsets = q->offsets,
                         .offset_count = q->offset_count,
                         .weights = q->weights,
                         .weight_count = q->weight_count};
}

static enum status check_enums(const struct lookup_query *q, struct error *e)
{
    /* As unsigned: they come from a peer and may be anything. */
    if ((unsigned)q->format > FORMAT_INT8)
        return error_set(e, ST_INVALID,
                         "format is %u; it must be F32 (0), F16 (1), BF16 (2) or INT8 (3)",
                         (unsigned)q->format);
    if ((unsigned)q->missing > MISSING_ERROR)
        return error_set(e, ST_INVALID, "missing is %u; it must be FILL (0) or ERROR (1)",
                         (unsigned)q->missing);
    return ST_OK;
}

static enum status no_room(size_t need, struct error *e)
{
    return error_set(e, ST_EXHAUSTED,
                     "the lookup needs %zu bytes of memory, more than a call may take", need);
}

static enum status resolve(struct lookup *l, const struct bags *b, struct arena *arena,
                           struct error *e)
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
            return bags_refuse_id(b, l->table, i, e);
        l->missing[found++] = (uint32_t)i;
    }
    l->missing_count = unknown;
    return ST_OK;
}

/* Whether bags must be taken part by part through l->group. */
static bool needs_groups(const struct lookup *l)
{
    const struct table *t = l->table;

    if (l->query.pooling == POOLING_NONE || l->query.id_count == 0)
        return false;
    if (t->part_count == 1 && l->missing_count == 0)
        return false;
    return bags_pool_first(t);
}

enum status lookup_prepare(struct lookup *out, const struct table *table,
                           const struct lookup_query *query, struct arena *arena, struct error *e)
{
    struct lookup l = {.table = table, .query = *query};
    const struct bags bags = bags_of(query);
    enum status st = check_enums(query, e);

    if (st == ST_OK)
        st = bags_check(&bags, e);
    if (st == ST_OK)
        st = resolve(&l, &bags, arena, e);
    if (st != ST_OK)
        return st;
    l.rows = bags_rows(&bags);
    l.row_bytes = format_row_bytes(query->format, table->dim);
    if (__builtin_mul_overflow(table->work, query->id_count - l.missing_count, &l.work))
        l.work = UINT64_MAX;
    if (needs_groups(&l)) {
        l.group = bags_group(&bags, table, l.row, arena);
        if (!l.group)
            return no_room(query->id_count * BAGS_GROUP_BYTES, e);
    }
    *out = l;
    return ST_OK;
}

void lookup_ids(const struct lookup *l, size_t first, size_t n, size_t *from, size_t *count)
{
    const struct bags bags = bags_of(&l->query);
    bool pooled = l->query.pooling != POOLING_NONE;

    *from = pooled ? bags_offset(&bags, first) : first;
    *count = (pooled ? bags_offset(&bags, first + n) : first + n) - *from;
}

size_t lookup_slice(const struct lookup *l, size_t first, size_t ids)
{
    size_t low, high = l->rows - first, most = ids ? ids : 1;
    const struct bags bags = bags_of(&l->query);
    uint32_t start;

    if (high > most) /* empty bags are work too */
        high = most;
    if (l->query.pooling == POOLING_NONE || high <= 1)
        return high;
    /* The most bags, at least one, that hold no more than `most` ids. */
    start = bags_offset(&bags, first);
    for (low = 1; low < high;) {
        size_t middle = low + (high - low + 1) / 2;

        if (bags_offset(&bags, first + middle) - start <= most)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}
