/* SPDX-License-Identifier: Apache-2.0 */
/* Rows are taken or left one by one, so the size of a sample is a matter of chance: there is room
   for four deviations more, and the rest is left. One thread. */
#include "fits/sample.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

#define TURNS                                                                                      \
    64 /* of the search for the factor; each adds rows that are surely in, mostly few do */

static bool marked(const unsigned char *map, uint64_t row)
{
    return !map || (map[row / 8] >> row % 8 & 1);
}

/* Weights of the marked rows: how many have f * w >= 1, and the sum of the others. */
static void count_rows(const struct fit *f, const unsigned char *map, double factor,
                       uint64_t *count, uint64_t *sure, double *rest)
{
    *count = *sure = 0;
    *rest = 0;
    for (uint64_t i = 0; i < f->rows; i++) {
        double w = (double)fit_weight(f, i);

        if (!marked(map, i))
            continue;
        ++*count;
        if (w * factor >= 1)
            ++*sure;
        else if (w > 0)
            *rest += w;
    }
}

/* The factor with which `most` rows are to be expected. */
static uint64_t find_factor(struct row_sample *s, const struct fit *f, const unsigned char *map,
                            uint64_t most)
{
    uint64_t count, sure, before = UINT64_MAX;
    double rest;

    count_rows(f, map, 0, &count, &sure, &rest);
    s->even = !(rest > 0);
    s->factor = INFINITY;
    if (count <= most)
        return count;
    if (s->even || !f->weight) {
        s->even = true;
        s->factor = (double)most / (double)count;
        return most;
    }
    for (int turn = 0; turn < TURNS && sure < most && sure != before && rest > 0; turn++) {
        before = sure;
        s->factor = (double)(most - sure) / rest;
        count_rows(f, map, s->factor, &count, &sure, &rest);
    }
    return most;
}

enum status row_sample_open(struct row_sample *s, const struct fit *f, const unsigned char *map,
                            uint64_t most, struct error *e)
{
    uint64_t expected;

    *s = (struct row_sample){0};
    expected = find_factor(s, f, map, most);
    if (expected == most)
        expected += (uint64_t)(4 * sqrt((double)most)) + 16;
    s->room = expected < f->rows ? (size_t)expected : (size_t)f->rows;
    s->rows = mem_zero(s->room, f->dim * sizeof *s->rows);
    s->weight = mem_zero(s->room, sizeof *s->weight);
    return s->rows && s->weight ? ST_OK : error_memory(e, "a sample of the rows");
}

void row_sample_close(struct row_sample *s)
{
    mem_free(s->rows);
    mem_free(s->weight);
    *s = (struct row_sample){0};
}

void row_sample_add(struct row_sample *s, const struct fit *f, uint64_t row, const float *x,
                    double draw)
{
    float w = s->even ? 1 : fit_weight(f, row);
    double chance = w > 0 ? fmin(1, s->factor * (double)w) : 0;

    if (!(draw < chance) || s->n == s->room)
        return;
    memcpy(s->rows + s->n * f->dim, x, f->dim * sizeof *x);
    s->weight[s->n++] = s->even ? 1 : (float)((double)w / chance);
}
