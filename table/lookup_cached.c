/* SPDX-License-Identifier: Apache-2.0 */
/* Running a slice of a prepared lookup with a cache of decoded rows. Rows come by pointer, from the
   cache or from those that were just decoded, and are copied, converted or summed from there, as
   lookup_run.c does with rows that it decodes: the reply has the same bits. */
#include <string.h>

#include "kernels/kernels.h"
#include "table/cache.h"
#include "table/decode.h"

bool lookup_may_cache(const struct lookup *l)
{
    if (l->query.pooling == POOLING_NONE)
        return true;
    for (size_t i = 0; i < l->table->part_count; i++)
        if (l->table->part[i].pool_first) /* then a bag is not the sum of its rows */
            return false;
    return true;
}

/* The rows of ids [next, end), one after the other. */
struct reader {
    const struct lookup *l;
    struct cache *cache;
    size_t next, end;
    size_t at, have; /* in `row`: those that are found */
    size_t most, decoded;
    const float *row[CACHE_FIND];
};

/* Find more rows. When enough have been decoded, none beyond `bag_end`: the slice ends there. */
static void fill(struct reader *r, size_t bag_end)
{
    size_t end = r->decoded < r->most ? r->end : bag_end;

    r->have =
        cache_find(r->cache, r->l->table, r->l->row + r->next, end - r->next, r->row, &r->decoded);
    r->next += r->have;
    r->at = 0;
}

static size_t run_rows(struct reader *r, unsigned char *out)
{
    size_t first = r->next;

    while (r->next < r->end && r->decoded < r->most) {
        fill(r, r->end);
        for (size_t i = 0; i < r->have; i++, out += r->l->row_bytes)
            lookup_put_rows(r->l, out, r->row[i], 1);
        cache_keep(r->cache);
    }
    return r->next - first;
}

/* acc = the bag of ids [first, end), in order. */
static void sum_bag(struct reader *r, size_t first, size_t end, void *acc)
{
    const struct lookup_query *q = &r->l->query;
    size_t dim = r->l->table->dim;

    memset(acc, 0, dim * sizeof(float));
    for (size_t i = first; i < end; i++) {
        float w;

        if (r->at == r->have) {
            cache_keep(r->cache);
            fill(r, end);
        }
        if (q->weight_count) {
            memcpy(&w, (const unsigned char *)q->weights + i * sizeof w, sizeof w);
            kernels->f32_add_scaled(acc, r->row[r->at++], w, dim);
        } else {
            kernels->f32_add(acc, r->row[r->at++], dim);
        }
    }
    if (q->pooling == POOLING_MEAN && end > first)
        kernels->f32_div(acc, (float)(end - first), dim);
}

static size_t run_bags(struct reader *r, size_t first, size_t n, unsigned char *out, float *room)
{
    bool in_place = r->l->query.format == FORMAT_F32;
    const unsigned char *offsets = r->l->query.offsets;
    uint32_t bound[2];
    size_t b = first;

    for (; b < first + n && (r->at < r->have || r->decoded < r->most);
         b++, out += r->l->row_bytes) {
        memcpy(bound, offsets + b * sizeof *bound, sizeof bound);
        sum_bag(r, bound[0], bound[1], in_place ? (void *)out : room);
        if (!in_place)
            lookup_put_rows(r->l, out, room, 1);
    }
    cache_keep(r->cache);
    return b - first;
}

enum status lookup_run_cached(const struct lookup *l, struct cache *cache, size_t first, size_t *n,
                              size_t most, size_t *decoded, void *out,
                              struct lookup_scratch *scratch, struct error *e)
{
    struct reader r;
    enum status st = lookup_scratch_grow(scratch, l->table->dim, e);
    size_t from, count;

    *decoded = 0;
    if (st != ST_OK || *n == 0)
        return st;
    lookup_ids(l, first, *n, &from, &count);
    r.l = l;
    r.cache = cache;
    r.next = from;
    r.end = from + count;
    r.at = r.have = r.decoded = 0;
    r.most = most;
    if (l->query.pooling == POOLING_NONE)
        *n = run_rows(&r, out);
    else
        *n = run_bags(&r, first, *n, out, scratch->room);
    *decoded = r.decoded;
    return lookup_whole(l, e);
}
