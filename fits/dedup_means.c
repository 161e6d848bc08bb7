/* SPDX-License-Identifier: Apache-2.0 */
/* The last passes over the table: each different block changes to the block in hand that is nearest
   where that lowers the weighted error, and the blocks become the weighted means of their places,
   which no others beat. The error never rises. One thread, but for BLAS. */
#include <string.h>

#include "base/memory.h"
#include "fits/dedup.h"

#define PASSES_MOST 4
#define PASSES_WORK 1e12 /* multiply-adds that looking for nearer blocks may take */

struct means {
    struct dedup_work *work;
    double *sum;    /* [count][size] */
    double *weight; /* [count][bx][2]: of places with all columns, and of those at the right edge */
    float *norm, *points, *room, *distance;
    uint32_t *nearest;
    bool move; /* look for nearer blocks */
    /* The places in hand: their blocks are points. */
    uint64_t first;
    size_t n;
    size_t seen; /* different blocks that came so far */
    struct {
        size_t rows, columns;
    } extent[DEDUP_TILE];
};

static double cost_of(const struct means *m, size_t point, uint32_t block)
{
    const struct dedup_work *k = m->work;
    const float *x = m->points + point * k->size, *y = k->store + block * k->size;
    uint64_t top = (m->first + point) / k->cut.nby * k->cut.bx;
    double cost = 0;

    for (size_t t = 0; t < m->extent[point].rows; t++) {
        double sum = 0;

        for (size_t j = t * k->cut.by; j < t * k->cut.by + m->extent[point].columns; j++)
            sum += ((double)x[j] - y[j]) * ((double)x[j] - y[j]);
        cost += sum * dedup_weight(k, top + t);
    }
    return cost;
}

/* The first place of a different block decides for all of its places. */
static void move_points(struct means *m)
{
    struct dedup_work *k = m->work;

    dedup_nearest(m->points, m->n, k->store, m->norm, k->count, k->size, false, 0, m->room,
                  m->nearest, m->distance);
    for (size_t i = 0; i < m->n; i++) {
        uint32_t entry = k->entry[m->first + i], *owner = &k->owner[entry];

        if (entry != m->seen)
            continue;
        m->seen++;
        if (m->nearest[i] != *owner && cost_of(m, i, m->nearest[i]) < cost_of(m, i, *owner))
            *owner = m->nearest[i];
    }
}

static void add_points(struct means *m)
{
    struct dedup_work *k = m->work;

    for (size_t i = 0; i < m->n; i++) {
        uint32_t block = k->owner[k->entry[m->first + i]];
        uint64_t top = (m->first + i) / k->cut.nby * k->cut.bx;
        bool edge = m->extent[i].columns < k->cut.by;

        for (size_t t = 0; t < m->extent[i].rows; t++) {
            double w = dedup_weight(k, top + t), *sum = m->sum + block * k->size;

            m->weight[(block * k->cut.bx + t) * 2 + edge] += w;
            for (size_t j = t * k->cut.by; j < t * k->cut.by + m->extent[i].columns; j++)
                sum[j] += w * m->points[i * k->size + j];
        }
    }
    m->first += m->n;
    m->n = 0;
}

static void flush(struct means *m)
{
    if (m->move)
        move_points(m);
    add_points(m);
}

static void write_means(const struct means *m)
{
    const struct dedup_work *k = m->work;
    uint64_t last = k->fit->dim - (k->cut.nby - 1) * k->cut.by; /* columns at the right edge */

    for (size_t i = 0; i < k->count; i++)
        for (size_t t = 0; t < k->cut.bx; t++)
            for (size_t j = 0; j < k->cut.by; j++) {
                const double *w = m->weight + (i * k->cut.bx + t) * 2;
                double all = w[0] + (j < last ? w[1] : 0);
                size_t at = i * k->size + t * k->cut.by + j;

                k->store[at] = all > 0 ? (float)(m->sum[at] / all) : 0;
            }
}

static enum status one_pass(struct means *m, double from, double to, struct error *e)
{
    struct dedup_work *k = m->work;
    struct dedup_bands b;
    enum status st;

    memset(m->sum, 0, k->count * k->size * sizeof *m->sum);
    memset(m->weight, 0, k->count * k->cut.bx * 2 * sizeof *m->weight);
    for (size_t i = 0; m->move && i < k->count; i++) {
        double norm = 0;

        for (size_t j = 0; j < k->size; j++)
            norm += (double)k->store[i * k->size + j] * k->store[i * k->size + j];
        m->norm[i] = (float)norm;
    }
    m->first = m->n = m->seen = 0;
    st = dedup_bands_open(&b, k, from, to, e);
    while (st == ST_OK && (st = dedup_bands_next(&b, e)) == ST_OK && b.n)
        for (uint64_t across = 0; st == ST_OK && across < k->cut.nby; across++) {
            uint64_t left = k->fit->dim - across * k->cut.by;

            m->extent[m->n].rows = b.n;
            m->extent[m->n].columns = (size_t)(left < k->cut.by ? left : k->cut.by);
            dedup_block(&b, across, m->points + m->n++ * k->size);
            if (m->n < DEDUP_TILE)
                continue;
            flush(m);
            if (m->move)
                st = dedup_tell(k, b.scan.from, e);
        }
    if (st == ST_OK)
        flush(m);
    dedup_bands_close(&b);
    k->told = to;
    if (st == ST_OK)
        write_means(m);
    return st;
}

static enum status passes(struct means *m, double from, struct error *e)
{
    struct dedup_work *k = m->work;
    double work = (double)k->entries * (double)k->count * (double)k->size;
    unsigned count =
        work * PASSES_MOST <= PASSES_WORK ? PASSES_MOST : (unsigned)(PASSES_WORK / work);
    enum status st = ST_OK;

    m->move = count > 0 && k->entries > k->count; /* else all is as it was read */
    count = m->move ? count : 1;
    for (unsigned i = 0; st == ST_OK && i < count; i++)
        st = one_pass(m, from + (1 - from) * i / count, from + (1 - from) * (i + 1) / count, e);
    return st;
}

static void write_parameters(const struct dedup_work *k, struct parameters *p)
{
    int32_t *map = p->tensor[DEDUP_MAP].data;

    memcpy(p->tensor[DEDUP_BLOCKS].data, k->store, k->count * k->size * sizeof *k->store);
    for (size_t i = 0; i < k->places; i++)
        map[i] = (int32_t)k->owner[k->entry[i]];
}

/* Give back what merging left of the store, before there are sums beside it. */
static void shrink_store(struct dedup_work *k)
{
    float *less = mem_resize(k->store, k->count * k->size + 1, sizeof *less);

    k->store = less ? less : k->store;
}

enum status dedup_settle_blocks(struct dedup_work *k, struct parameters *p, double from,
                                struct error *e)
{
    struct means *m = mem_zero(1, sizeof *m);
    enum status st;

    if (!m)
        return error_memory(e, "sums of the blocks");
    shrink_store(k);
    m->work = k;
    m->sum = mem_zero(k->count, k->size * sizeof *m->sum);
    m->weight = mem_zero(k->count * 2, k->cut.bx * sizeof *m->weight);
    m->norm = mem_zero(k->count, sizeof *m->norm);
    m->points = mem_zero(DEDUP_TILE, k->size * sizeof *m->points);
    m->room = mem_zero(DEDUP_TILE * DEDUP_TILE, sizeof *m->room);
    m->distance = mem_zero(DEDUP_TILE, sizeof *m->distance);
    m->nearest = mem_zero(DEDUP_TILE, sizeof *m->nearest);
    if (!m->sum || !m->weight || !m->norm || !m->points || !m->room || !m->distance || !m->nearest)
        st = error_memory(e, "sums of the blocks");
    else
        st = passes(m, from, e);
    if (st == ST_OK)
        write_parameters(k, p);
    mem_free(m->nearest);
    mem_free(m->distance);
    mem_free(m->room);
    mem_free(m->points);
    mem_free(m->norm);
    mem_free(m->weight);
    mem_free(m->sum);
    mem_free(m);
    return st;
}
