/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors are tried one and all, sixteen at a time; BLAS is no help here, since parts have a few
   columns and their products would cost less than to write them down and read them again. Single
   numbers are found by bisection. */
#include "fits/nearest.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "kernels/kernels.h"

static size_t tiles_of(size_t count)
{
    return (count + NEAREST_TILE - 1) / NEAREST_TILE;
}

enum status nearest_open(struct nearest *n, size_t width, size_t most, struct error *e)
{
    *n = (struct nearest){.width = width, .most = most};
    if (width == 1)
        n->sorted = mem_zero(most, sizeof *n->sorted);
    else
        n->tiles = mem_zero(tiles_of(most) * NEAREST_TILE, width * sizeof *n->tiles);
    return n->sorted || n->tiles ? ST_OK : error_memory(e, "vectors to choose from");
}

void nearest_close(struct nearest *n)
{
    mem_free(n->sorted);
    mem_free(n->tiles);
    *n = (struct nearest){0};
}

static int by_value(const void *a, const void *b)
{
    const struct nearest_number *x = a, *y = b;

    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return x->number < y->number ? -1 : 1;
}

static void set_numbers(struct nearest *n, const float *values, size_t count)
{
    for (size_t k = 0; k < count; k++)
        n->sorted[k] = (struct nearest_number){values[k], (uint32_t)k};
    qsort(n->sorted, count, sizeof *n->sorted, by_value);
    n->distinct = 1;
    for (size_t k = 1; k < count; k++)
        if (n->sorted[k].value != n->sorted[k - 1].value)
            n->sorted[n->distinct++] = n->sorted[k];
}

static void set_tiles(struct nearest *n, const float *vectors, size_t count)
{
    for (size_t k = 0; k < tiles_of(count) * NEAREST_TILE; k++) {
        float *to = n->tiles + k / NEAREST_TILE * NEAREST_TILE * n->width + k % NEAREST_TILE;

        for (size_t j = 0; j < n->width; j++)
            to[j * NEAREST_TILE] = k < count ? vectors[k * n->width + j] : INFINITY;
    }
}

void nearest_set(struct nearest *n, const float *vectors, size_t count)
{
    n->count = count;
    if (n->width == 1)
        set_numbers(n, vectors, count);
    else
        set_tiles(n, vectors, count);
}

static float square(float x)
{
    return x * x;
}

/* The last value that is not above x, or the first of all, is one of the two to compare; the halves
   are taken without a branch, which nobody could foretell. */
static void find_number(const struct nearest *n, float x, uint32_t *number, float *distance)
{
    const struct nearest_number *at = n->sorted, *next;
    size_t left = n->distinct;

    while (left > 1) {
        size_t half = left / 2;

        at += at[half].value <= x ? half : 0;
        left -= half;
    }
    next = at + (at + 1 < n->sorted + n->distinct);
    *number = at->number;
    *distance = square(x - at->value);
    if (square(x - next->value) < *distance ||
        (square(x - next->value) == *distance && next->number < *number)) {
        *number = next->number;
        *distance = square(x - next->value);
    }
}

void nearest_find(const struct nearest *n, const float *x, size_t queries, uint32_t *number,
                  float *distance)
{
    if (n->width != 1)
        kernels->f32_nearest(number, distance, x, queries, n->tiles, n->width, tiles_of(n->count));
    else
        for (size_t i = 0; i < queries; i++)
            find_number(n, x[i], number + i, distance + i);
}
