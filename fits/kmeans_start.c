/* SPDX-License-Identifier: Apache-2.0 */
/* Where k-means begins. Points are drawn one after the other, each with a chance in proportion to
   what it costs still (k-means++, Arthur and Vassilvitskii, SODA 2007). Single numbers, of which
   there may be thousands of centroids, get the density that is the best for small steps instead:
   the cube root of theirs. One thread. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fits/kmeans.h"

#define LEAST 65536 /* points to draw from, if there are so many, */
#define EACH 16     /* and for each centroid; more change nothing that the turns do not */
#define BLOCK 256   /* points whose costs are summed together, a multiple of LANES */
#define LANES 8

/* Some of the points, column by column. */
struct sample {
    size_t n, room;       /* room: rounded up to whole blocks, filled with points without weight */
    size_t *point;        /* which */
    float *column;        /* [width][room] */
    float *weight, *best; /* best: squared distance to the nearest centroid so far */
    double *block;        /* [room / BLOCK] sums of weight * best */
};

static void sample_done(struct sample *s)
{
    mem_free(s->point);
    mem_free(s->column);
    mem_free(s->weight);
    mem_free(s->best);
    mem_free(s->block);
}

/* One point of each of n stretches of equal length, so that no rhythm of the rows can hide. */
static enum status sample_init(struct sample *s, const struct points *p, size_t count,
                               const struct draws *draws, struct error *e)
{
    size_t most = count * EACH > LEAST ? count * EACH : LEAST;

    *s = (struct sample){.n = p->n < most ? p->n : most};
    s->room = (s->n + BLOCK - 1) / BLOCK * BLOCK;
    s->point = mem_zero(s->n, sizeof *s->point);
    s->column = mem_zero(s->room, p->width * sizeof *s->column);
    s->weight = mem_zero(s->room, sizeof *s->weight);
    s->best = mem_zero(s->room, sizeof *s->best);
    s->block = mem_zero(s->room / BLOCK, sizeof *s->block);
    if (!s->point || !s->column || !s->weight || !s->best || !s->block)
        return error_memory(e, "points to begin with");
    for (size_t i = 0; i < s->n; i++) {
        double stretch = (double)p->n / (double)s->n;
        size_t at = s->n == p->n ? i : (size_t)((double)(i + draw_uniform(draws, i)) * stretch);

        s->point[i] = at < p->n ? at : p->n - 1;
        s->weight[i] = point_weight(p, s->point[i]);
        s->best[i] = INFINITY;
        for (size_t j = 0; j < p->width; j++)
            s->column[j * s->room + i] = p->x[s->point[i] * p->width + j];
    }
    return ST_OK;
}

/* Costs after one more centroid, x; NULL: with those that are there. Returns their sum. */
static double sample_cost(struct sample *s, size_t width, const float *x)
{
    double total = 0;

    for (size_t b = 0; b < s->room; b += BLOCK) {
        float distance[BLOCK] = {0};
        double sum[LANES] = {0};

        for (size_t j = 0; x && j < width; j++)
            for (size_t i = 0; i < BLOCK; i++) {
                float d = s->column[j * s->room + b + i] - x[j];

                distance[i] += d * d;
            }
        for (size_t i = 0; x && i < BLOCK; i++)
            s->best[b + i] = distance[i] < s->best[b + i] ? distance[i] : s->best[b + i];
        for (size_t i = 0; i < BLOCK; i += LANES)
            for (size_t l = 0; l < LANES; l++)
                sum[l] += (double)s->weight[b + i + l] * (double)s->best[b + i + l];
        for (size_t l = 1; l < LANES; l++)
            sum[0] += sum[l];
        s->block[b / BLOCK] = sum[0];
        total += sum[0];
    }
    return total;
}

/* The point at which the running sum of costs passes `target`. */
static size_t sample_pick(const struct sample *s, double target)
{
    size_t last = 0, b = 0;

    for (; b + 1 < s->room / BLOCK && target >= s->block[b]; b++)
        target -= s->block[b];
    for (size_t i = b * BLOCK; i < s->n && i < (b + 1) * BLOCK; i++) {
        double cost = (double)s->weight[i] * (double)s->best[i];

        if (!(cost > 0))
            continue;
        last = i;
        if (target < cost)
            break;
        target -= cost;
    }
    return last;
}

static enum status plus_plus(struct sample *s, const struct points *p, struct nearest *nearest,
                             float *centroid, size_t fixed, size_t count, const struct draws *draws,
                             struct kmeans_progress *progress, struct error *e)
{
    size_t bytes = p->width * sizeof *centroid, c = fixed;
    double work = (double)(s->room * p->width), total;
    enum status st;

    for (size_t i = 0; i < s->room; i++)
        s->best[i] = 1; /* before there is a centroid the weight alone counts */
    if (fixed) {
        uint32_t number;

        nearest_set(nearest, centroid, fixed);
        for (size_t i = 0; i < s->n; i++)
            nearest_find(nearest, p->x + s->point[i] * p->width, 1, &number, &s->best[i]);
    }
    total = sample_cost(s, p->width, NULL);
    for (; c < count && total > 0; c++) {
        double u = draw_uniform(draws, s->n + c);
        size_t at = isfinite(total) ? sample_pick(s, u * total) : (size_t)(u * (double)s->n);

        memcpy(centroid + c * p->width, p->x + s->point[at] * p->width, bytes);
        for (size_t i = 0; c == 0 && i < s->room; i++)
            s->best[i] = INFINITY;
        for (size_t i = s->n; i < s->room; i++)
            s->best[i] = 0;
        total = sample_cost(s, p->width, centroid + c * p->width);
        if ((st = kmeans_tell(progress, 0, work, e)) != ST_OK)
            return st;
    }
    /* All points are met. What is left over repeats a centroid of a lower number, which is the one
       to be chosen. */
    for (; c > 0 && c < count; c++)
        memcpy(centroid + c * p->width, centroid, bytes);
    return ST_OK;
}

struct number {
    float value, weight;
};

static int by_value(const void *a, const void *b)
{
    const struct number *x = a, *y = b;

    return x->value < y->value ? -1 : x->value > y->value;
}

/* Of the sample, its different values with their weights, in order. */
static size_t numbers_sort(const struct sample *s, struct number *number)
{
    size_t n = 0, distinct = 0;

    for (size_t i = 0; i < s->n; i++)
        if (s->weight[i] > 0)
            number[n++] = (struct number){s->column[i], s->weight[i]};
    qsort(number, n, sizeof *number, by_value);
    for (size_t i = 0; i < n; i++)
        if (distinct && number[distinct - 1].value == number[i].value)
            number[distinct - 1].weight += number[i].weight;
        else
            number[distinct++] = number[i];
    return distinct;
}

/* Steps of a quantizer of small ones follow the cube root of the density; between two stretches of
   GROUP numbers the density is their weight over their length, so the share of a stretch is the
   cube root of its weight times the square of its length. */
#define GROUP 8

static double stretch(const struct number *number, size_t n, size_t at, size_t *end)
{
    double weight = 0, length;

    *end = n - 1 - at < GROUP ? n - 1 : at + GROUP;
    length = (double)number[*end].value - (double)number[at].value;
    for (size_t i = at; i < *end; i++)
        weight += (double)number[i].weight;
    return cbrt(weight * length * length);
}

static void spread(const struct number *number, size_t n, float *centroid, size_t count)
{
    double total = 0, sum = 0;
    size_t c = 0, end;

    for (size_t at = 0; at < n - 1; at = end)
        total += stretch(number, n, at, &end);
    for (size_t at = 0; at < n - 1; at = end) {
        double share = stretch(number, n, at, &end), low = (double)number[at].value;
        double length = (double)number[end].value - low;

        for (; share > 0 && c < count && (c + 0.5) / (double)count * total <= sum + share; c++)
            centroid[c] = (float)(low + length * ((c + 0.5) / (double)count * total - sum) / share);
        sum += share;
    }
    for (; c < count; c++)
        centroid[c] = number[n - 1].value;
}

static enum status numbers(const struct sample *s, float *centroid, size_t count, struct error *e)
{
    struct number *number = mem_zero(s->n, sizeof *number);
    size_t n;

    if (!number)
        return error_memory(e, "numbers to begin with");
    n = numbers_sort(s, number);
    if (n > count)
        spread(number, n, centroid, count);
    else
        for (size_t c = 0; c < count; c++)
            centroid[c] = number[c < n ? c : n - 1].value;
    mem_free(number);
    return ST_OK;
}

enum status kmeans_start(const struct points *p, struct nearest *nearest, float *centroid,
                         size_t fixed, size_t count, const struct draws *draws,
                         struct kmeans_progress *progress, bool *found, struct error *e)
{
    struct sample s;
    enum status st;

    *found = false;
    st = sample_init(&s, p, count, draws, e);
    for (size_t i = 0; st == ST_OK && i < s.n; i++)
        *found = *found || s.weight[i] > 0;
    if (st == ST_OK && *found) {
        if (p->width == 1 && !fixed)
            st = numbers(&s, centroid, count, e);
        else
            st = plus_plus(&s, p, nearest, centroid, fixed, count, draws, progress, e);
    }
    sample_done(&s);
    return st;
}
