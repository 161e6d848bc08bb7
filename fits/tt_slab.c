/* SPDX-License-Identifier: Apache-2.0 */
/* Slabs of a table for the fits of tt. One thread. */
#include "fits/tt_slab.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "fits/scan.h"

/* Weights that a digit has by itself: the mean over its ids, relative to the mean of all. Their
   product is the weight of each row where weights are such a product, and near it where rows with
   close ids are as important as each other; a Gram matrix cannot honour more. */
static enum status find_scales(struct tt_slab *b, struct error *e)
{
    const struct fit *f = b->fit;
    double *count[3] = {NULL}, total = 0;
    enum status st = ST_OK;
    uint64_t digit[3];

    for (unsigned t = 0; t < 3; t++) {
        b->scale[t] = mem_zero(b->s.n[t], sizeof *b->scale[t]);
        count[t] = mem_zero(b->s.n[t], sizeof *count[t]);
        if (!b->scale[t] || !count[t]) {
            st = error_memory(e, "weights of the digits");
            goto out;
        }
    }
    for (uint64_t id = 0; id < f->rows; id++) {
        tt_digits(&b->s, id, digit);
        total += f->weight[id];
        for (unsigned t = 0; t < 3; t++) {
            b->scale[t][digit[t]] += f->weight[id];
            count[t][digit[t]]++;
        }
    }
    for (unsigned t = 0; t < 3; t++)
        for (uint64_t i = 0; i < b->s.n[t]; i++) {
            double mean = count[t][i] * total;

            b->scale[t][i] = mean > 0 ? sqrt(b->scale[t][i] * (double)f->rows / mean) : 0;
        }
out:
    for (unsigned t = 0; t < 3; t++)
        mem_free(count[t]);
    return st;
}

enum status tt_slab_open(struct tt_slab *b, const struct fit *f, const struct tt_shape *s,
                         struct error *e)
{
    size_t run = s->big ? s->n[2] : s->n[0], room;

    *b = (struct tt_slab){.fit = f, .s = *s, .unit = 1, .to = 1};
    if (s->n[0] > TT_GRAM_MAX / s->d[0] || s->n[2] > TT_GRAM_MAX / s->d[2])
        return error_set(e, ST_INVALID,
                         "tt cannot be fitted: n0*d0 and n2*d2 must be at most %d, and are %" PRIu64
                         "*%" PRIu64 " and %" PRIu64 "*%" PRIu64,
                         TT_GRAM_MAX, s->n[0], s->d[0], s->n[2], s->d[2]);
    b->m0 = s->n[0] * s->d[0];
    b->m2 = s->n[2] * s->d[2];
    if (!size_mul(b->m0 * b->m2, s->d[1], &room))
        return error_memory(e, "a slab of the table");
    b->x = mem_zero(room, sizeof *b->x);
    b->rows = mem_zero(run * f->dim, sizeof *b->rows);
    if (!b->x || !b->rows)
        return error_memory(e, "a slab of the table");
    return f->weight ? find_scales(b, e) : ST_OK;
}

void tt_slab_close(struct tt_slab *b)
{
    for (unsigned t = 0; t < 3; t++)
        mem_free(b->scale[t]);
    mem_free(b->rows);
    mem_free(b->x);
    *b = (struct tt_slab){0};
}

void tt_slab_start(struct tt_slab *b, double from, double to)
{
    b->from = from;
    b->to = to;
}

/* Put one row to its places. */
static void spread(struct tt_slab *b, const float *row, const uint64_t digit[3])
{
    size_t d0 = b->s.d[0], d1 = b->s.d[1], d2 = b->s.d[2], left = b->fit->dim;
    float *to = b->x + digit[0] * d0 * d1 * b->m2 + digit[2] * d2;
    double scale = b->unit;

    for (unsigned t = 0; t < 3 && b->scale[0]; t++)
        scale *= b->scale[t][digit[t]];
    for (size_t ab = 0; ab < d0 * d1 && left; ab++, to += b->m2) {
        size_t n = left < d2 ? left : d2;

        for (size_t c = 0; c < n; c++) {
            double x = *row++;

            b->peak = fabs(x) > b->peak ? fabs(x) : b->peak;
            to[c] = (float)(x * scale);
        }
        left -= n;
    }
}

enum status tt_slab_read(struct tt_slab *b, uint64_t i1, bool *empty, struct error *e)
{
    const struct tt_shape *s = &b->s;
    unsigned low = s->big ? 2 : 0, high = 2 - low; /* ids run along the low digit */
    uint64_t rows = b->fit->rows;
    enum status st;

    *empty = i1 * s->n[low] >= rows;
    if (*empty)
        return ST_OK;
    if ((st = fit_progress(b->fit, b->from + (b->to - b->from) * ((double)i1 / (double)s->n[1]),
                           e)) != ST_OK)
        return st;
    memset(b->x, 0, b->m0 * s->d[1] * b->m2 * sizeof *b->x);
    for (uint64_t i = 0; i < s->n[high]; i++) {
        uint64_t first = (i * s->n[1] + i1) * s->n[low], digit[3] = {0};
        size_t n = s->n[low];

        if (first >= rows)
            break;
        n = rows - first < n ? (size_t)(rows - first) : n;
        if ((st = rows_read(b->fit, first, n, b->rows, e)) != ST_OK)
            return st;
        digit[high] = i;
        digit[1] = i1;
        for (size_t j = 0; j < n; j++) {
            digit[low] = j;
            spread(b, b->rows + j * b->fit->dim, digit);
        }
    }
    return ST_OK;
}

double tt_slab_normalise(struct tt_slab *b)
{
    if (b->peak > 0)
        b->unit = ldexp(1, -ilogb(b->peak));
    return b->unit * b->unit;
}
