/* SPDX-License-Identifier: Apache-2.0 */
/* See energy.h. One thread. */
#include "fits/energy.h"

#include <float.h>
#include <string.h>

#include "base/memory.h"
#include "fits/scan.h"

static size_t bucket_of(double energy)
{
    float x = energy < FLT_MAX ? (float)energy : FLT_MAX;
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits >> 20; /* exponent and three bits; the sign is 0 */
}

static enum status begin(struct energy *x, uint32_t dim, struct error *e)
{
    x->widths = dim < ENERGY_WIDTHS ? dim : ENERGY_WIDTHS;
    for (size_t i = 0; i < x->widths; i++)
        x->width[i] = (uint32_t)(((uint64_t)dim * (i + 1) + x->widths - 1) / x->widths);
    mem_free(x->count);
    mem_free(x->sum);
    x->count = mem_zero(x->widths, sizeof *x->count);
    x->sum = mem_zero(x->widths, sizeof *x->sum);
    x->total = 0;
    return x->count && x->sum ? ST_OK : error_memory(e, "histograms");
}

static void add_row(struct energy *x, const float *row, double weight)
{
    double energy = 0;
    uint32_t j = 0;

    for (size_t i = 0; i < x->widths; i++) {
        size_t bucket;

        for (; j < x->width[i]; j++)
            energy += weight * (double)row[j] * (double)row[j];
        bucket = bucket_of(energy);
        x->count[i][bucket]++;
        x->sum[i][bucket] += energy;
    }
    x->total += energy;
}

enum status energy_find(struct energy *x, const struct fit *f, struct error *e)
{
    struct scan s = {0};
    enum status st = begin(x, f->dim, e);

    if (st == ST_OK)
        st = scan_open(&s, f, e);
    if (st != ST_OK)
        return st;
    while ((st = scan_next(&s, e)) == ST_OK && s.n)
        for (size_t i = 0; i < s.n; i++)
            add_row(x, s.rows + i * f->dim, (double)fit_weight(f, s.first + i));
    scan_close(&s);
    return st;
}

void energy_done(struct energy *x)
{
    mem_free(x->count);
    mem_free(x->sum);
    *x = (struct energy){.widths = 0};
}

double energy_of(const struct energy *x, size_t at, uint64_t rows)
{
    double energy = 0;

    for (size_t b = ENERGY_BUCKETS; rows && b-- > 0;) {
        uint64_t count = x->count[at][b];

        if (!count)
            continue;
        if (count > rows)
            return energy + x->sum[at][b] * ((double)rows / (double)count);
        energy += x->sum[at][b];
        rows -= count;
    }
    return energy;
}
