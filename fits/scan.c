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

static enum status row_check(const struct fit *f, uint64_t row, const float *x, struct error *e)
{
    float weight = fit_weight(f, row);

    for (uint32_t j = 0; j < f->dim; j++)
        if (!isfinite(x[j]))
            return error_set(e, ST_INVALID,
                             "row %" PRIu64 " is not finite: column %" PRIu32 " is %g", row, j,
                             (double)x[j]);
    if (!(weight >= 0) || isinf(weight))
        return error_set(e, ST_INVALID, "the weight of row %" PRIu64 " is %g", row, (double)weight);
    return ST_OK;
}

enum status rows_read(const struct fit *f, uint64_t first, size_t n, float *out, struct error *e)
{
    enum status st = f->read(f->context, first, n, out, e);

    for (size_t i = 0; st == ST_OK && i < n; i++)
        st = row_check(f, first + i, out + i * f->dim, e);
    return st;
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
    return rows_read(f, s->first, s->n, s->rows, e);
}
