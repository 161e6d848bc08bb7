/* SPDX-License-Identifier: Apache-2.0 */
/* See bags.h. */
#include "table/bags.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "table/part.h"

uint32_t bags_offset(const struct bags *b, size_t i)
{
    uint32_t v;

    memcpy(&v, (const unsigned char *)b->offsets + i * sizeof v, sizeof v);
    return v;
}

float bags_weight(const struct bags *b, size_t i)
{
    float v;

    memcpy(&v, (const unsigned char *)b->weights + i * sizeof v, sizeof v);
    return v;
}

size_t bags_rows(const struct bags *b)
{
    return b->pooling == POOLING_NONE ? b->id_count : b->offset_count - 1;
}

static enum status check_offsets(const struct bags *b, struct error *e)
{
    uint32_t last, next;

    if (b->pooling == POOLING_NONE)
        return b->offset_count == 0
                   ? ST_OK
                   : error_set(e, ST_INVALID,
                               "%zu offsets without pooling; they go with SUM or MEAN",
                               b->offset_count);
    if (b->offset_count == 0)
        return error_set(e, ST_INVALID, "no offsets; pooling needs one more than there are bags");
    last = bags_offset(b, 0);
    if (last != 0)
        return error_set(e, ST_INVALID, "offsets[0] = %" PRIu32 "; it must be 0", last);
    for (size_t i = 1; i < b->offset_count; i++, last = next) {
        next = bags_offset(b, i);
        if (next < last)
            return error_set(e, ST_INVALID,
                             "offsets[%zu] = %" PRIu32 " is below offsets[%zu] = %" PRIu32, i, next,
                             i - 1, last);
        if (next > b->id_count)
            return error_set(e, ST_INVALID,
                             "offsets[%zu] = %" PRIu32 " is above the number of ids, %zu", i, next,
                             b->id_count);
    }
    if (last != b->id_count)
        return error_set(e, ST_INVALID,
                         "offsets[%zu] = %" PRIu32 "; the last one must be the number of ids, %zu",
                         b->offset_count - 1, last, b->id_count);
    return ST_OK;
}

static enum status check_weights(const struct bags *b, struct error *e)
{
    if (b->weight_count == 0)
        return ST_OK;
    if (b->pooling != POOLING_SUM)
        return error_set(e, ST_INVALID, "%zu weights without SUM; they go with SUM only",
                         b->weight_count);
    if (b->weight_count != b->id_count)
        return error_set(e, ST_INVALID, "%zu weights for %zu ids; there must be one an id",
                         b->weight_count, b->id_count);
    for (size_t i = 0; i < b->weight_count; i++)
        if (!isfinite(bags_weight(b, i)))
            return error_set(e, ST_INVALID, "weights[%zu] is not finite", i);
    return ST_OK;
}

enum status bags_check(const struct bags *b, struct error *e)
{
    enum status st;

    /* As unsigned: it comes from a peer and may be anything. */
    if ((unsigned)b->pooling > POOLING_MEAN)
        return error_set(e, ST_INVALID, "pooling is %u; it must be NONE (0), SUM (1) or MEAN (2)",
                         (unsigned)b->pooling);
    if (b->id_count > UINT32_MAX)
        return error_set(e, ST_INVALID, "%zu ids are more than positions of 32 bits can name",
                         b->id_count);
    st = check_offsets(b, e);
    return st == ST_OK ? check_weights(b, e) : st;
}

enum status bags_refuse_id(const struct bags *b, const struct table *t, size_t place,
                           struct error *e)
{
    int64_t id;

    memcpy(&id, (const unsigned char *)b->ids + place * sizeof id, sizeof id);
    if (t->ids == IDS_ROWS && t->rows)
        return error_set(e, ST_RANGE,
                         "ids[%zu] = %" PRId64 " is not in the table, whose ids are 0 to %" PRIu64,
                         place, id, t->rows - 1);
    return error_set(e, ST_RANGE, "ids[%zu] = %" PRId64 " is not in the table", place, id);
}

bool bags_pool_first(const struct table *t)
{
    for (size_t i = 0; i < t->part_count; i++)
        if (t->part[i].pool_first)
            return true;
    return false;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Sort the ids [first, end) of one bag: `order` gets part and position in one number each. */
static void group_bag(const struct bags *b, const struct table *t, const uint64_t *row,
                      uint64_t *order, struct lookup_group *g, size_t first, size_t end)
{
    bool sorted = true;

    for (size_t i = first; i < end; i++) {
        uint64_t part = row[i] == ROW_UNKNOWN ? t->part_count : table_part(t, row[i]);

        order[i] = part << 32 | i;
        sorted = sorted && (i == first || order[i - 1] < order[i]);
    }
    if (!sorted)
        qsort(order + first, end - first, sizeof *order, by_value);
    for (size_t i = first; i < end; i++) {
        size_t from = (uint32_t)order[i];

        g->part[i] = (uint32_t)(order[i] >> 32);
        g->row[i] =
            g->part[i] < t->part_count ? row[from] - t->part_first[g->part[i]] : ROW_UNKNOWN;
        if (g->weight)
            g->weight[i] = bags_weight(b, from);
    }
}

struct lookup_group *bags_group(const struct bags *b, const struct table *t, const uint64_t *row,
                                struct arena *arena)
{
    size_t n = b->id_count;
    bool weighted = b->weight_count > 0;
    uint64_t *order = arena_alloc(arena, n, sizeof *order);
    struct lookup_group *g = arena_zero(arena, 1, sizeof *g);

    if (g) {
        g->row = arena_alloc(arena, n, sizeof *g->row);
        g->part = arena_alloc(arena, n, sizeof *g->part);
        g->weight = weighted ? arena_alloc(arena, n, sizeof *g->weight) : NULL;
    }
    if (!order || !g || !g->row || !g->part || (weighted && !g->weight))
        return NULL;
    for (size_t i = 0; i < bags_rows(b); i++)
        group_bag(b, t, row, order, g, bags_offset(b, i), bags_offset(b, i + 1));
    return g;
}
