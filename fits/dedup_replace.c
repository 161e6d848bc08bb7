/* SPDX-License-Identifier: Apache-2.0 */
/* Replacing blocks by alike ones, as the authors do: blocks come in the order of their upper
   quartile; locality-sensitive hashes find those kept ones that may be alike. Other than the
   authors we never replace by a block that was itself replaced, so that errors do not add up along
   chains, and take fewer hashes, whose width goes with `fp`. One thread. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "fits/dedup.h"
#include "fits/linear.h"
#include "methods/init.h"

#define WIDTH 9.0 /* of a hash, in fp: 0.09 for 0.01 */
#define LOOKED_AT                                                                                  \
    4096 /* entries of buckets for a block, so that crowded ones do not take for ever */
#define BATCH 256

struct order {
    float quartile;
    uint32_t block;
};

struct replacing {
    struct dedup_work *work;
    size_t bands;
    float *direction; /* [bands][size] */
    double *offset;   /* [bands] */
    struct order *order;
    uint32_t *to;
    /* Kept blocks by hash: entry = kept place * bands + band. */
    uint32_t *head, *next, *kept;
    size_t last, kept_count;
    uint32_t *hits, *stamp; /* of kept places, for the block in hand */
    float fp;
    double sim;
    unsigned threshold;
};

static int by_quartile(const void *a, const void *b)
{
    const struct order *x = a, *y = b;

    if (x->quartile != y->quartile)
        return x->quartile < y->quartile ? -1 : 1;
    return x->block < y->block ? -1 : x->block > y->block;
}

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* The 75th percentile, between its two neighbours. */
static float quartile(float *x, size_t n)
{
    double at = 0.75 * (double)(n - 1);
    size_t low = (size_t)at, high = low + 1 < n ? low + 1 : low;

    qsort(x, n, sizeof *x, by_value);
    return (float)(x[low] + (at - (double)low) * ((double)x[high] - x[low]));
}

static size_t bucket_of(const struct replacing *r, size_t band, double hash)
{
    double key[2] = {(double)band, hash};

    return hash_seeded(key, sizeof key, 0) & r->last;
}

/* The part of a block that is not padding. */
static void extent(const struct dedup_work *k, uint32_t block, size_t *rows, size_t *columns)
{
    uint64_t down = k->place[block] / k->cut.nby * k->cut.bx;
    uint64_t across = k->place[block] % k->cut.nby * k->cut.by;
    uint64_t below = k->fit->rows - down, right = k->fit->dim - across;

    *rows = (size_t)(below < k->cut.bx ? below : k->cut.bx);
    *columns = (size_t)(right < k->cut.by ? right : k->cut.by);
}

/* The share of a block's elements, padding aside, that are near enough. */
static double similarity(const struct replacing *r, uint32_t block, uint32_t with)
{
    size_t size = r->work->size, alike = 0, rows, columns;
    const float *x = r->work->store + block * size, *y = r->work->store + with * size;

    extent(r->work, block, &rows, &columns);
    for (size_t t = 0; t < rows; t++)
        for (size_t j = t * r->work->cut.by; j < t * r->work->cut.by + columns; j++)
            alike += fabsf(x[j] - y[j]) <= r->fp;
    return (double)alike / ((double)rows * (double)columns);
}

/* The most similar kept block, or the block itself. */
static uint32_t partner(struct replacing *r, uint32_t block, const double *hash)
{
    uint32_t best = block;
    double most = -1;
    size_t looked = 0;

    for (size_t band = 0; band < r->bands; band++)
        for (uint32_t at = r->head[bucket_of(r, band, hash[band])]; at && looked < LOOKED_AT;
             at = r->next[at - 1], looked++) {
            size_t kept = (at - 1) / r->bands;
            double share;

            if (r->stamp[kept] != block + 1) {
                r->stamp[kept] = block + 1;
                r->hits[kept] = 0;
            }
            if (++r->hits[kept] != r->threshold)
                continue;
            share = similarity(r, block, r->kept[kept]);
            if (share >= r->sim && share > most) {
                most = share;
                best = r->kept[kept];
            }
        }
    return best;
}

/* Padded blocks stay, but nothing is replaced by them. */
static void keep(struct replacing *r, uint32_t block, const double *hash)
{
    size_t rows, columns;

    extent(r->work, block, &rows, &columns);
    if (rows * columns < r->work->size)
        return;
    for (size_t band = 0; band < r->bands; band++) {
        uint32_t *head = &r->head[bucket_of(r, band, hash[band])];
        size_t entry = r->kept_count * r->bands + band;

        r->next[entry] = *head;
        *head = (uint32_t)entry + 1;
    }
    r->kept[r->kept_count++] = block;
}

/* Blocks of the order from `first` on, whose hashes are computed together. */
static void replace_batch(struct replacing *r, size_t first, size_t n, float *points, float *dots,
                          size_t *left)
{
    struct dedup_work *k = r->work;
    double hash[64];

    for (size_t i = 0; i < n; i++)
        memcpy(points + i * k->size, k->store + r->order[first + i].block * k->size,
               k->size * sizeof *points);
    product_transposed(dots, points, r->direction, n, r->bands, k->size);
    for (size_t i = 0; i < n; i++) {
        uint32_t block = r->order[first + i].block, with;

        for (size_t band = 0; band < r->bands; band++)
            hash[band] = ceil(dots[i * r->bands + band] / (WIDTH * r->fp) + r->offset[band]);
        with = *left > k->target ? partner(r, block, hash) : block;
        r->to[block] = with;
        if (with == block) {
            keep(r, block, hash);
            continue;
        }
        --*left;
        for (uint64_t t = 0; t < k->cut.bx; t++)
            k->weight[with * k->cut.bx + t] += k->weight[block * k->cut.bx + t];
    }
}

static void put_in_order(struct replacing *r, float *room)
{
    struct dedup_work *k = r->work;

    for (size_t i = 0; i < k->count; i++) {
        memcpy(room, k->store + i * k->size, k->size * sizeof *room);
        r->order[i] = (struct order){quartile(room, k->size), (uint32_t)i};
    }
    qsort(r->order, k->count, sizeof *r->order, by_quartile);
}

static void draw_directions(struct replacing *r)
{
    struct init from = {.seed = r->work->fit->seed};
    struct draws d = draws_of(&from, "dedup.direction"), o = draws_of(&from, "dedup.offset");

    for (size_t i = 0; i < r->bands * r->work->size; i++)
        r->direction[i] = (float)draw_normal(&d, i);
    for (size_t i = 0; i < r->bands; i++)
        r->offset[i] = draw_uniform(&o, i);
}

static enum status run(struct replacing *r, float *points, float *dots, double from, double to,
                       struct error *e)
{
    size_t count = r->work->count, left = count;
    enum status st = ST_OK;

    put_in_order(r, points);
    draw_directions(r);
    for (size_t i = 0; st == ST_OK && i < count; i += BATCH) {
        st = dedup_tell(r->work, from + (to - from) * (double)i / (double)count, e);
        if (st == ST_OK)
            replace_batch(r, i, count - i < BATCH ? count - i : BATCH, points, dots, &left);
    }
    if (st == ST_OK)
        dedup_compact(r->work, r->to);
    return st;
}

enum status dedup_replace(struct dedup_work *k, double fp, double sim, unsigned threshold,
                          double from, double to, struct error *e)
{
    struct replacing r = {
        .work = k, .last = 1, .fp = (float)fp, .sim = sim, .threshold = threshold ? threshold : 1};
    float *points = NULL, *dots = NULL;
    enum status st;

    r.bands = k->size / 8 < 4 ? 4 : k->size / 8 > 32 ? 32 : k->size / 8;
    while (r.last < k->count * r.bands)
        r.last *= 2;
    if (k->count * r.bands >= UINT32_MAX)
        return error_set(e, ST_EXHAUSTED, "so many blocks are too many to compare");
    r.direction = mem_zero(r.bands * k->size, sizeof *r.direction);
    r.offset = mem_zero(r.bands, sizeof *r.offset);
    r.order = mem_zero(k->count, sizeof *r.order);
    r.to = mem_zero(k->count, sizeof *r.to);
    r.head = mem_zero(r.last--, sizeof *r.head);
    r.next = mem_zero(k->count * r.bands, sizeof *r.next);
    r.kept = mem_zero(k->count, sizeof *r.kept);
    r.hits = mem_zero(k->count, sizeof *r.hits);
    r.stamp = mem_zero(k->count, sizeof *r.stamp);
    points = mem_zero(BATCH * k->size, sizeof *points);
    dots = mem_zero(BATCH * r.bands, sizeof *dots);
    if (!r.direction || !r.offset || !r.order || !r.to || !r.head || !r.next || !r.kept ||
        !r.hits || !r.stamp || !points || !dots)
        st = error_memory(e, "hashes of the blocks");
    else
        st = run(&r, points, dots, from, to, e);
    mem_free(dots);
    mem_free(points);
    mem_free(r.stamp);
    mem_free(r.hits);
    mem_free(r.kept);
    mem_free(r.next);
    mem_free(r.head);
    mem_free(r.to);
    mem_free(r.order);
    mem_free(r.offset);
    mem_free(r.direction);
    return st;
}
