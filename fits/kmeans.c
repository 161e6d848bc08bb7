/* SPDX-License-Identifier: Apache-2.0 */
/* Lloyd's turns: each point to its nearest centroid, each centroid to the mean of its points. Sums
   are in double and in the order of the points. One thread. */
#include "fits/kmeans.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"

#define BLOCK 1024  /* points at a time */
#define ENOUGH 1e-6 /* stop when a turn lowers the cost by less than this part of it */
#define TELL 0x1p24 /* multiply-adds between two tellings of progress: some milliseconds */

enum status kmeans_tell(struct kmeans_progress *p, double done, double work, struct error *e)
{
    p->waiting += work;
    if (p->waiting < TELL)
        return ST_OK;
    p->waiting = 0;
    return fit_progress(p->fit, p->from + (p->to - p->from) * done, e);
}

enum status kmeans_open(struct kmeans *k, size_t width, size_t most, struct error *e)
{
    enum status st;

    *k = (struct kmeans){.width = width};
    if ((st = nearest_open(&k->nearest, width, most, e)) != ST_OK)
        return st;
    k->sum = mem_zero(most, width * sizeof *k->sum);
    k->mass = mem_zero(most, sizeof *k->mass);
    k->cost = mem_zero(most, sizeof *k->cost);
    k->far = mem_zero(most, sizeof *k->far);
    k->farthest = mem_zero(most, sizeof *k->farthest);
    k->number = mem_zero(BLOCK, sizeof *k->number);
    k->distance = mem_zero(BLOCK, sizeof *k->distance);
    return k->sum && k->mass && k->cost && k->far && k->farthest && k->number && k->distance
               ? ST_OK
               : error_memory(e, "sums of the centroids");
}

void kmeans_close(struct kmeans *k)
{
    nearest_close(&k->nearest);
    mem_free(k->sum);
    mem_free(k->mass);
    mem_free(k->cost);
    mem_free(k->far);
    mem_free(k->farthest);
    mem_free(k->number);
    mem_free(k->distance);
    *k = (struct kmeans){0};
}

static void add_point(struct kmeans *k, const float *x, size_t point, uint32_t to, double w,
                      float distance)
{
    double *sum = k->sum + to * k->width, cost = w * distance;

    for (size_t j = 0; j < k->width; j++)
        sum[j] += w * x[j];
    k->mass[to] += w;
    k->cost[to] += cost;
    if (cost > k->far[to]) {
        k->far[to] = cost;
        k->farthest[to] = point;
    }
}

/* Each point to its centroid; `turn` is for progress. */
static enum status assign(struct kmeans *k, const struct points *p, size_t count, int turn,
                          struct kmeans_progress *progress, struct error *e)
{
    memset(k->sum, 0, count * k->width * sizeof *k->sum);
    memset(k->mass, 0, count * sizeof *k->mass);
    memset(k->cost, 0, count * sizeof *k->cost);
    memset(k->far, 0, count * sizeof *k->far);
    for (size_t i = 0; i < p->n; i += BLOCK) {
        size_t n = p->n - i < BLOCK ? p->n - i : BLOCK;
        double done = (turn + (double)i / (double)p->n) / KMEANS_TURNS;
        enum status st = kmeans_tell(progress, done, (double)(n * count * k->width), e);

        if (st != ST_OK)
            return st;
        nearest_find(&k->nearest, p->x + i * k->width, n, k->number, k->distance);
        for (size_t m = 0; m < n; m++) {
            double w = (double)point_weight(p, i + m);

            if (w > 0)
                add_point(k, p->x + (i + m) * k->width, i + m, k->number[m], w, k->distance[m]);
        }
    }
    return ST_OK;
}

/* Every stored number is finite, whatever the weights did to a quotient of sums. */
static float to_float(double x)
{
    return (float)(x > FLT_MAX ? FLT_MAX : x < -FLT_MAX ? -FLT_MAX : x);
}

/* A centroid that nobody chose takes the farthest point of the one whose points cost most, which
   then has been split. False if no point costs anything. */
static bool split(struct kmeans *k, const struct points *p, size_t count, float *to)
{
    size_t most = 0;

    for (size_t c = 1; c < count; c++)
        if (k->cost[c] > k->cost[most])
            most = c;
    if (!(k->cost[most] > 0))
        return false;
    memcpy(to, p->x + k->farthest[most] * k->width, k->width * sizeof *to);
    k->cost[most] = 0;
    return true;
}

/* Returns whether a centroid was put elsewhere, so that costs may fall by more than they did. */
static bool move(struct kmeans *k, const struct points *p, float *centroid, size_t fixed,
                 size_t count)
{
    bool moved = false;

    for (size_t c = fixed; c < count; c++)
        for (size_t j = 0; k->mass[c] > 0 && j < k->width; j++)
            centroid[c * k->width + j] = to_float(k->sum[c * k->width + j] / k->mass[c]);
    for (size_t c = fixed; c < count; c++)
        if (!(k->mass[c] > 0)) {
            if (!split(k, p, count, centroid + c * k->width))
                break;
            moved = true;
        }
    return moved;
}

enum status kmeans_run(struct kmeans *k, const struct points *p, float *centroid, size_t fixed,
                       size_t count, const struct draws *draws, struct kmeans_progress *progress,
                       struct error *e)
{
    double before = INFINITY, cost;
    enum status st;
    bool found;

    if (fixed >= count)
        return ST_OK;
    st = kmeans_start(p, &k->nearest, centroid, fixed, count, draws, progress, &found, e);
    if (st != ST_OK || !found)
        return st;
    for (int turn = 0; turn < KMEANS_TURNS; turn++) {
        nearest_set(&k->nearest, centroid, count);
        if ((st = assign(k, p, count, turn, progress, e)) != ST_OK)
            return st;
        cost = 0;
        for (size_t c = 0; c < count; c++)
            cost += k->cost[c];
        if (!move(k, p, centroid, fixed, count) && !(cost < before * (1 - ENOUGH)))
            break;
        before = cost;
    }
    return ST_OK;
}
