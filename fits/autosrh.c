/* SPDX-License-Identifier: Apache-2.0 */
/* Pruning by groups of rows: the rows are sorted by importance (weight, or length where there are
   no weights) into a few groups, and a group keeps a column whole or not at all, as the authors'
   search finds it; the columns with the most energy an entry go first. What does not fill a whole
   column is left to single entries. One thread. */
#include "fits/autosrh.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "fits/prune.h"
#include "methods/sparse_rows.h"

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* The first place in [from, n) whose importance is not that of `at`, or the last place before it.
 */
static size_t class_end(const float *sorted, size_t at, size_t n)
{
    size_t low = at, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (sorted[middle] <= sorted[at])
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static size_t class_begin(const float *sorted, size_t at)
{
    size_t low = 0, high = at;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (sorted[middle] < sorted[at])
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Where a group that begins at `begin` ends: at the border between two classes of equal importance
   that is nearest to its share. */
static size_t group_end(const float *sorted, size_t begin, size_t n, size_t groups_left)
{
    size_t share = (n - begin) / groups_left, below, above;

    if (groups_left == 1 || begin == n)
        return n;
    above = class_end(sorted, begin, n);
    if (above - begin >= share)
        return above;
    below = class_begin(sorted, begin + share);
    above = class_end(sorted, begin + share, n);
    return begin + share - below <= above - begin - share ? below : above;
}

void autosrh_groups(float *importance, size_t n, float first[AUTOSRH_GROUPS])
{
    size_t begin = 0;

    qsort(importance, n, sizeof *importance, ascending);
    for (size_t g = 0; g < AUTOSRH_GROUPS; g++) {
        first[g] = begin < n ? importance[begin] : INFINITY;
        begin = group_end(importance, begin, n, AUTOSRH_GROUPS - g);
    }
}

unsigned autosrh_group(const float first[AUTOSRH_GROUPS], float importance)
{
    unsigned g = 0;

    while (g + 1 < AUTOSRH_GROUPS && first[g + 1] <= importance)
        g++;
    return g;
}

struct grouping {
    const struct fit *fit;
    float first[AUTOSRH_GROUPS]; /* the least importance in each group */
    uint64_t rows[AUTOSRH_GROUPS];
    double *energy; /* [AUTOSRH_GROUPS][dim] sum of w * x^2 */
    bool *kept;     /* [AUTOSRH_GROUPS][dim] */
};

static float importance_of(const struct scan *s, size_t i)
{
    const float *row = s->rows + i * s->fit->dim;
    double sum = 0;

    if (s->fit->weight)
        return s->fit->weight[s->first + i];
    for (uint32_t j = 0; j < s->fit->dim; j++)
        sum += (double)row[j] * (double)row[j];
    return (float)sqrt(sum);
}

static enum status find_groups(struct grouping *g, struct scan *s, struct error *e)
{
    float *importance = mem_zero(g->fit->rows, sizeof *importance);
    enum status st;

    if (!importance)
        return error_memory(e, "the importance of the rows");
    scan_start(s, 0, 0.2);
    while ((st = scan_next(s, e)) == ST_OK && s->n)
        for (size_t i = 0; i < s->n; i++)
            importance[s->first + i] = importance_of(s, i);
    if (st == ST_OK)
        autosrh_groups(importance, g->fit->rows, g->first);
    mem_free(importance);
    return st;
}

static enum status sum_energy(struct grouping *g, struct scan *s, struct error *e)
{
    uint32_t dim = g->fit->dim;
    enum status st;

    scan_start(s, 0.2, 0.4);
    while ((st = scan_next(s, e)) == ST_OK && s->n)
        for (size_t i = 0; i < s->n; i++) {
            const float *row = s->rows + i * dim;
            double w = fit_weight(g->fit, s->first + i);
            unsigned group = autosrh_group(g->first, importance_of(s, i));
            double *energy = g->energy + (size_t)group * dim;

            g->rows[group]++;
            for (uint32_t j = 0; j < dim; j++)
                energy[j] += w * (double)row[j] * (double)row[j];
        }
    return st;
}

struct cell {
    double energy; /* an entry */
    uint32_t place;
};

static int descending(const void *a, const void *b)
{
    const struct cell *x = a, *y = b;

    if (x->energy != y->energy)
        return x->energy < y->energy ? 1 : -1;
    return (x->place > y->place) - (x->place < y->place);
}

/* Whole cells until the next one has no room; the entries that they take. By energy an entry, not
   by energy: a cell that is large only because its group is would take the room of many better
   ones. */
static enum status keep_cells(struct grouping *g, uint64_t room, uint64_t *entries, struct error *e)
{
    uint32_t dim = g->fit->dim, cells = AUTOSRH_GROUPS * dim;
    struct cell *cell = mem_zero(cells, sizeof *cell);

    if (!cell)
        return error_memory(e, "cells");
    for (uint32_t k = 0; k < cells; k++) {
        uint64_t rows = g->rows[k / dim];

        cell[k] = (struct cell){.energy = rows ? g->energy[k] / (double)rows : -1, .place = k};
    }
    qsort(cell, cells, sizeof *cell, descending);
    *entries = 0;
    for (uint32_t k = 0; k < cells && cell[k].energy > 0; k++) {
        uint64_t rows = g->rows[cell[k].place / dim];

        if (rows > room - *entries)
            break;
        g->kept[cell[k].place] = true;
        *entries += rows;
    }
    mem_free(cell);
    return ST_OK;
}

static const bool *columns_of(const void *context, const struct scan *s, size_t i)
{
    const struct grouping *g = context;

    return g->kept + (size_t)autosrh_group(g->first, importance_of(s, i)) * g->fit->dim;
}

static enum status fit(const struct fit *fit, struct parameters *p, struct error *e)
{
    uint64_t room = p->tensor[sparse_data(p->value)].count;
    struct grouping g = {.fit = fit};
    struct prune_whole whole = {.columns = columns_of, .context = &g};
    struct scan s = {0};
    enum status st;

    g.energy = mem_zero((size_t)AUTOSRH_GROUPS * fit->dim, sizeof *g.energy);
    g.kept = mem_zero((size_t)AUTOSRH_GROUPS * fit->dim, sizeof *g.kept);
    if (!g.energy || !g.kept)
        st = error_memory(e, "cells");
    else
        st = scan_open(&s, fit, e);
    if (st == ST_OK)
        st = find_groups(&g, &s, e);
    if (st == ST_OK)
        st = sum_energy(&g, &s, e);
    scan_close(&s);
    if (st == ST_OK)
        st = keep_cells(&g, room, &whole.entries, e);
    if (st == ST_OK)
        st = prune(fit, p, &whole, 0.4, e);
    mem_free(g.kept);
    mem_free(g.energy);
    return st;
}

const struct fitter fitter_autosrh = {.fit = fit};
