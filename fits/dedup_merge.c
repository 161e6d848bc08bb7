/* SPDX-License-Identifier: Apache-2.0 */
/* Merging blocks until there are as few as the budget allows; our own. In each round every block
   finds its nearest neighbour, and the pairs whose mean costs the least weighted error are merged,
   each block at most once, until a quarter of them is gone or the target reached. Neighbours are
   looked for in groups around pivots, small enough for a round to take seconds. One thread, but
   for BLAS. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fits/dedup.h"
#include "fits/linear.h"
#include "methods/init.h"

#define ROUND_WORK 1e11 /* multiply-adds */
#define PIVOTS_LEAST 8  /* where there are any, so that a group is a small part */
#define PIVOT_ROUNDS 3
#define PIVOTS_MOST 1024

struct pair {
    double cost;
    uint32_t block, with;
};

struct merging {
    struct dedup_work *work;
    float *distance, *norm, *points, *room, *pivot;
    double *sum;     /* of the pivots */
    uint32_t *group; /* of each block: its pivot */
    uint32_t *order; /* blocks by group */
    uint32_t *with;  /* nearest neighbour of each of a group, or of each block while pivots move */
    uint32_t *to;
    struct pair *pair;
    size_t begin[PIVOTS_MOST + 1], pivots, pairs, most; /* most: blocks of a group */
    unsigned round;
    double from, to_done; /* progress */
    size_t first_count;
};

static double squares(const float *x, size_t n)
{
    double sum = 0;

    for (size_t j = 0; j < n; j++)
        sum += (double)x[j] * x[j];
    return sum;
}

/* The smallest of norm[j] - 2 dot[j] and where it is, if it is below *least. Sixteen running
   minima, so that no comparison waits for the one before; the place is looked for only where it
   changes. */
static void take_nearest(const float *dot, const float *norm, size_t n, size_t first, float *least,
                         uint32_t *place)
{
    float low[16], lowest = INFINITY;
    size_t j = 0;

    for (size_t l = 0; l < 16; l++)
        low[l] = INFINITY;
    for (; n - j >= 16; j += 16)
        for (size_t l = 0; l < 16; l++) {
            float d = norm[j + l] - 2 * dot[j + l];

            low[l] = d < low[l] ? d : low[l];
        }
    for (size_t l = 0; j < n; j++, l++) {
        float d = norm[j] - 2 * dot[j];

        low[l] = d < low[l] ? d : low[l];
    }
    for (size_t l = 0; l < 16; l++)
        lowest = low[l] < lowest ? low[l] : lowest;
    if (!(lowest < *least))
        return;
    *least = lowest;
    for (j = 0; norm[j] - 2 * dot[j] != lowest; j++)
        ;
    *place = (uint32_t)(first + j);
}

void dedup_nearest(const float *points, size_t n, const float *blocks, const float *norm,
                   size_t many, size_t size, bool own, size_t skip, float *room, uint32_t *nearest,
                   float *distance)
{
    for (size_t i = 0; i < n; i++) {
        distance[i] = INFINITY;
        nearest[i] = 0;
    }
    for (size_t from = 0; from < many; from += DEDUP_TILE) {
        size_t wide = many - from < DEDUP_TILE ? many - from : DEDUP_TILE;

        product_transposed(room, points, blocks + from * size, n, wide, size);
        for (size_t i = 0; i < n; i++) {
            if (own && skip + i >= from && skip + i < from + wide)
                room[i * wide + skip + i - from] = -INFINITY; /* as far as can be */
            take_nearest(room + i * wide, norm + from, wide, from, &distance[i], &nearest[i]);
        }
    }
}

/* ---- Groups ---- */

static void draw_pivots(struct merging *m)
{
    struct dedup_work *k = m->work;
    struct init from = {.seed = k->fit->seed + m->round};
    struct draws d = draws_of(&from, "dedup.pivots");

    for (size_t i = 0; i < m->pivots; i++) { /* one from each of as many equal ranges */
        size_t low = i * k->count / m->pivots, high = (i + 1) * k->count / m->pivots;
        size_t block = low + draw_bits(&d, i) % (high - low);

        memcpy(m->pivot + i * k->size, k->store + block * k->size, k->size * sizeof *m->pivot);
    }
}

static enum status find_groups(struct merging *m, struct error *e)
{
    struct dedup_work *k = m->work;
    enum status st = ST_OK;

    for (size_t i = 0; i < m->pivots; i++)
        m->norm[i] = (float)squares(m->pivot + i * k->size, k->size);
    for (size_t i = 0; st == ST_OK && i < k->count; i += DEDUP_TILE) {
        size_t n = k->count - i < DEDUP_TILE ? k->count - i : DEDUP_TILE;

        dedup_nearest(k->store + i * k->size, n, m->pivot, m->norm, m->pivots, k->size, false, 0,
                      m->room, m->group + i, m->distance);
        if (i % (16 * DEDUP_TILE) == 0)
            st = dedup_tell(k, k->told, e);
    }
    return st;
}

static void move_pivots(struct merging *m)
{
    struct dedup_work *k = m->work;
    size_t *count = m->begin; /* not in use yet */

    memset(m->sum, 0, m->pivots * k->size * sizeof *m->sum);
    memset(count, 0, m->pivots * sizeof *count);
    for (size_t i = 0; i < k->count; i++) {
        count[m->group[i]]++;
        for (size_t j = 0; j < k->size; j++)
            m->sum[m->group[i] * k->size + j] += k->store[i * k->size + j];
    }
    for (size_t i = 0; i < m->pivots; i++)
        for (size_t j = 0; count[i] && j < k->size; j++)
            m->pivot[i * k->size + j] = (float)(m->sum[i * k->size + j] / (double)count[i]);
}

static enum status make_groups(struct merging *m, struct error *e)
{
    struct dedup_work *k = m->work;
    size_t at[PIVOTS_MOST];
    enum status st = ST_OK;

    memset(m->group, 0, k->count * sizeof *m->group);
    if (m->pivots > 1) {
        draw_pivots(m);
        for (int i = 0; st == ST_OK && i < PIVOT_ROUNDS; i++) {
            if (i)
                move_pivots(m);
            st = find_groups(m, e);
        }
    }
    memset(m->begin, 0, sizeof m->begin);
    for (size_t i = 0; i < k->count; i++)
        m->begin[m->group[i] + 1]++;
    for (size_t i = 0; i < m->pivots; i++) {
        m->begin[i + 1] += m->begin[i];
        at[i] = m->begin[i];
    }
    for (size_t i = 0; i < k->count; i++)
        m->order[at[m->group[i]]++] = (uint32_t)i;
    return st;
}

/* ---- Pairs ---- */

/* What the mean of two blocks costs: |a - b|^2 w_a w_b / (w_a + w_b), row by row. */
static double cost_of(const struct dedup_work *k, uint32_t a, uint32_t b)
{
    const double *u = k->weight + a * k->cut.bx, *v = k->weight + b * k->cut.bx;
    const float *x = k->store + a * k->size, *y = k->store + b * k->size;
    double cost = 0;

    for (size_t t = 0; t < k->cut.bx; t++) {
        double sum = 0;

        if (u[t] + v[t] <= 0)
            continue;
        for (size_t j = t * k->cut.by; j < (t + 1) * k->cut.by; j++)
            sum += ((double)x[j] - y[j]) * ((double)x[j] - y[j]);
        cost += sum * (u[t] * v[t] / (u[t] + v[t]));
    }
    return cost;
}

/* The nearest neighbours within part of a group; order [from, from + n). Where there is but one
   group, the store is in its order. */
static enum status pair_up(struct merging *m, size_t from, size_t n, struct error *e)
{
    struct dedup_work *k = m->work;
    const float *points = m->pivots > 1 ? m->points : k->store;
    enum status st = ST_OK;

    if (n < 2)
        return ST_OK;
    for (size_t i = 0; i < n; i++) {
        const float *block = k->store + m->order[from + i] * k->size;

        if (m->pivots > 1)
            memcpy(m->points + i * k->size, block, k->size * sizeof *m->points);
        m->norm[i] = (float)squares(block, k->size);
    }
    for (size_t i = 0; st == ST_OK && i < n; i += DEDUP_TILE) {
        size_t part = n - i < DEDUP_TILE ? n - i : DEDUP_TILE;

        dedup_nearest(points + i * k->size, part, points, m->norm, n, k->size, true, i, m->room,
                      m->with, m->distance);
        for (size_t j = 0; j < part; j++) {
            uint32_t block = m->order[from + i + j], with = m->order[from + m->with[j]];

            if (block != with) /* distances that overflow leave none */
                m->pair[m->pairs++] = (struct pair){cost_of(k, block, with), block, with};
        }
        st = dedup_tell(k, k->told, e);
    }
    return st;
}

static int by_cost(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;

    if (x->cost != y->cost)
        return x->cost < y->cost ? -1 : 1;
    return x->block < y->block ? -1 : x->block > y->block;
}

static void merge_pair(struct dedup_work *k, uint32_t a, uint32_t b)
{
    double *u = k->weight + a * k->cut.bx, *v = k->weight + b * k->cut.bx;
    float *x = k->store + a * k->size, *y = k->store + b * k->size;

    for (size_t t = 0; t < k->cut.bx; t++) {
        double all = u[t] + v[t], share = all > 0 ? u[t] / all : 0;

        for (size_t j = t * k->cut.by; j < (t + 1) * k->cut.by; j++)
            y[j] = (float)(y[j] + share * ((double)x[j] - y[j]));
        v[t] = all;
    }
}

/* Merge the cheapest pairs; returns how many. */
static size_t merge_pairs(struct merging *m)
{
    struct dedup_work *k = m->work;
    size_t most = k->count / 4 + 1, done = 0;

    most = k->count - k->target < most ? k->count - k->target : most;
    qsort(m->pair, m->pairs, sizeof *m->pair, by_cost);
    for (size_t i = 0; i < k->count; i++)
        m->to[i] = (uint32_t)i;
    memset(m->group, 0, k->count * sizeof *m->group); /* from here on: whether it was merged */
    for (size_t i = 0; i < m->pairs && done < most; i++) {
        uint32_t a = m->pair[i].block, b = m->pair[i].with;

        if (m->group[a] || m->group[b])
            continue;
        m->group[a] = m->group[b] = 1;
        if (a < b) { /* the earlier one stays */
            uint32_t swap = a;

            a = b;
            b = swap;
        }
        merge_pair(k, a, b);
        m->to[a] = b;
        done++;
    }
    dedup_compact(k, m->to);
    return done;
}

/* Pivots for so many blocks, so that a round does ROUND_WORK; and the most blocks that are compared
   with each other then. */
static size_t pivots_for(const struct dedup_work *k, size_t count)
{
    double work = (double)count * (double)count * (double)k->size / ROUND_WORK;
    size_t pivots = work < PIVOTS_MOST ? (size_t)work + 1 : PIVOTS_MOST;

    if (work < 1 || count < 4 * PIVOTS_LEAST)
        return 1;
    pivots = pivots > PIVOTS_LEAST ? pivots : PIVOTS_LEAST;
    return pivots < count / 4 ? pivots : count / 4;
}

static size_t group_most(size_t count, size_t pivots)
{
    return pivots > 1 ? 2 * (count / pivots) + 2 : count;
}

static enum status merge_round(struct merging *m, struct error *e)
{
    struct dedup_work *k = m->work;
    enum status st;
    size_t merged;
    double done;

    m->pivots = pivots_for(k, k->count);
    m->most = group_most(k->count, m->pivots);
    m->pairs = 0;
    m->round++;
    if ((st = make_groups(m, e)) != ST_OK)
        return st;
    for (size_t g = 0; st == ST_OK && g < m->pivots; g++)
        for (size_t at = m->begin[g]; st == ST_OK && at < m->begin[g + 1]; at += m->most) {
            size_t left = m->begin[g + 1] - at;

            st = pair_up(m, at, left < m->most ? left : m->most, e);
        }
    if (st != ST_OK)
        return st;
    merged = merge_pairs(m);
    assert(merged); /* there are fewer groups than blocks, so some group has a pair */
    (void)merged;
    done = (double)(m->first_count - k->count) / (double)(m->first_count - k->target);
    return dedup_tell(k, m->from + (m->to_done - m->from) * done, e);
}

/* The most blocks that any round gathers: rounds with fewer blocks may have larger groups, but none
   larger than where pivots begin to be as few as can be. */
static size_t gathered_most(const struct dedup_work *k)
{
    double least = sqrt(PIVOTS_LEAST * ROUND_WORK / (double)k->size);
    size_t now = group_most(k->count, pivots_for(k, k->count)), then;

    if (pivots_for(k, k->count) == 1)
        return 0;
    then = least < (double)k->count ? 2 * (size_t)(least / PIVOTS_LEAST) + 4 : 0;
    return now > then ? now : then;
}

static void merging_free(struct merging *m)
{
    mem_free(m->pair);
    mem_free(m->to);
    mem_free(m->with);
    mem_free(m->order);
    mem_free(m->group);
    mem_free(m->sum);
    mem_free(m->pivot);
    mem_free(m->room);
    mem_free(m->points);
    mem_free(m->norm);
    mem_free(m->distance);
    mem_free(m);
}

enum status dedup_merge(struct dedup_work *k, double from, double to, struct error *e)
{
    size_t pivots = pivots_for(k, k->count), wide;
    enum status st = ST_OK;
    struct merging *m;

    if (k->count <= k->target)
        return ST_OK;
    m = mem_zero(1, sizeof *m);
    if (!m)
        return error_memory(e, "neighbours of the blocks");
    wide = gathered_most(k) > pivots ? gathered_most(k) : pivots;
    if (wide < sqrt(ROUND_WORK / (double)k->size) + 1) /* compared within the store itself */
        wide = (size_t)sqrt(ROUND_WORK / (double)k->size) + 1;
    wide = wide > 4 * PIVOTS_LEAST ? wide : 4 * PIVOTS_LEAST;
    wide = wide < k->count ? wide : k->count;
    *m = (struct merging){.work = k, .from = from, .to_done = to, .first_count = k->count};
    m->distance = mem_zero(DEDUP_TILE, sizeof *m->distance);
    m->norm = mem_zero(wide, sizeof *m->norm);
    m->points = mem_zero(gathered_most(k), k->size * sizeof *m->points);
    m->room = mem_zero(DEDUP_TILE * DEDUP_TILE, sizeof *m->room);
    m->pivot = mem_zero(pivots, k->size * sizeof *m->pivot);
    m->sum = mem_zero(pivots, k->size * sizeof *m->sum);
    m->group = mem_zero(k->count, sizeof *m->group);
    m->order = mem_zero(k->count, sizeof *m->order);
    m->with = mem_zero(DEDUP_TILE, sizeof *m->with);
    m->to = mem_zero(k->count, sizeof *m->to);
    m->pair = mem_zero(k->count, sizeof *m->pair);
    if (!m->distance || !m->norm || !m->points || !m->room || !m->pivot || !m->sum || !m->group ||
        !m->order || !m->with || !m->to || !m->pair)
        st = error_memory(e, "neighbours of the blocks");
    while (st == ST_OK && k->count > k->target)
        st = merge_round(m, e);
    merging_free(m);
    return st;
}
