/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of rows of the trained table. One thread. */
#include "fits/scan.h"

#include <inttypes.h>
#include <math.h>

#include "base/memory.h"

#define BLOCK_FLOATS 65536 /* 256 KiB: stays in a core's own cache while it is worked on */

enum status scan_open(struct scan *s, const struct fit *f, struct error *e)
{
    *s = (struct scan){.fit = f, .room = BLOCK_FLOATS / f->dim, .to = 1};
    if (s->room == 0)
        s->room = 1;
    s->rows = mem_alloc(s->room * f->dim * sizeof *s->rows);
    return s->rows ? ST_OK : error_memory(e, "a block of rows");
}

void scan_close(struct scan *s)
{
    mem_free(s->rows);
    s->rows = NULL;
}

void scan_start(struct scan *s, double from, double to)
{
    s->first = 0;
    s->n = 0;
    s->from = from;
    s->to = to;
}

static enum status row_check(const struct scan *s, size_t i, struct error *e)
{
    const float *row = s->rows + i * s->fit->dim;
    float weight = fit_weight(s->fit, s->first + i);

    for (uint32_t j = 0; j < s->fit->dim; j++)
        if (!isfinite(row[j]))
            return error_set(e, ST_INVALID,
                             "row %" PRIu64 " is not finite: column %" PRIu32 " is %g",
                             s->first + i, j, (double)row[j]);
    if (!(weight >= 0) || isinf(weight))
        return error_set(e, ST_INVALID, "the weight of row %" PRIu64 " is %g", s->first + i,
                         (double)weight);
    return ST_OK;
}

enum status scan_next(struct scan *s, struct error *e)
{
    const struct fit *f = s->fit;
    double share = f->rows ? (double)(s->first + s->n) / (double)f->rows : 1;
    uint64_t left;
    enum status st;

    if ((st = fit_progress(f, s->from + (s->to - s->from) * share, e)) != ST_OK)
        return st;
    s->first += s->n;
    left = f->rows - s->first;
    s->n = left < s->room ? (size_t)left : s->room;
    if (s->n == 0)
        return ST_OK;
    if ((st = f->read(f->context, s->first, s->n, s->rows, e)) != ST_OK)
        return st;
    for (size_t i = 0; i < s->n; i++)
        if ((st = row_check(s, i, e)) != ST_OK)
            return st;
    return ST_OK;
}
