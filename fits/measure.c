/* SPDX-License-Identifier: Apache-2.0 */
/* How good a fit became. One thread. */
#include "fits/fit.h"

#include <math.h>
#include <stdbool.h>

#include "base/memory.h"
#include "fits/scan.h"

struct sums {
    double error, norm;           /* weighted sums of squares */
    double cosine, cosine_weight; /* over the rows that have one */
};

static void add(struct sums *s, double weight, double error, double norm)
{
    s->error += weight * error;
    s->norm += weight * norm;
}

static void add_cosine(struct sums *s, double weight, double cosine)
{
    s->cosine += weight * cosine;
    s->cosine_weight += weight;
}

static double relative_error(const struct sums *s)
{
    return s->error > 0 ? s->norm > 0 ? s->error / s->norm : INFINITY : 0;
}

static double mean_cosine(const struct sums *s)
{
    return s->cosine_weight > 0 ? s->cosine / s->cosine_weight : 1;
}

/* False if the row that was made is not finite: then there is nothing to measure. */
static bool measure_row(const float *want, const float *got, uint32_t dim, double weight,
                        uint64_t row, struct sums *sums, struct sums *plain, struct fit_error *out)
{
    double error = 0, a = 0, b = 0, ab = 0, cosine;

    for (uint32_t j = 0; j < dim; j++) {
        double x = want[j], y = got[j];

        error += (x - y) * (x - y);
        a += x * x;
        b += y * y;
        ab += x * y;
    }
    if (!isfinite(b))
        return false;
    add(sums, weight, error, a);
    add(plain, 1, error, a);
    if (a == 0 || b == 0)
        return true;
    cosine = ab / (sqrt(a) * sqrt(b));
    cosine = cosine > 1 ? 1 : cosine;
    add_cosine(sums, weight, cosine);
    add_cosine(plain, 1, cosine);
    if (cosine < out->cosine_worst) {
        out->cosine_worst = cosine;
        out->worst_row = row;
    }
    return true;
}

/* Rows [first, first + n) of all parts; `part` goes along. */
static void decode(const struct parameters *part, const uint64_t *end, size_t *at, uint64_t first,
                   size_t n, uint64_t *ids, float *out)
{
    while (n) {
        uint64_t from, run;

        while (first >= end[*at])
            ++*at;
        from = end[*at] - part[*at].rows;
        run = end[*at] - first < n ? end[*at] - first : n;
        for (uint64_t i = 0; i < run; i++)
            ids[i] = first - from + i;
        part[*at].method->rows(&part[*at], ids, (size_t)run, out);
        out += run * part[*at].dim;
        first += run;
        n -= (size_t)run;
    }
}

enum status fit_measure(const struct fit *f, const struct parameters *part, size_t parts,
                        struct fit_error *out, struct error *e)
{
    struct fit_error result = {.cosine_worst = 1};
    struct sums sums = {0}, plain = {0};
    uint64_t *ids = NULL, *end = NULL, sum = 0;
    float *rows = NULL;
    struct scan s;
    enum status st;
    size_t at = 0;

    if ((st = scan_open(&s, f, e)) != ST_OK)
        return st;
    ids = mem_zero(s.room, sizeof *ids);
    rows = mem_zero(s.room * f->dim, sizeof *rows);
    end = mem_zero(parts, sizeof *end);
    if (!ids || !rows || !end) {
        st = error_memory(e, "a block of rows");
        goto out;
    }
    for (size_t i = 0; i < parts; i++)
        end[i] = sum += part[i].rows;
    for (;;) {
        if ((st = scan_next(&s, e)) != ST_OK)
            goto out;
        if (s.n == 0)
            break;
        decode(part, end, &at, s.first, s.n, ids, rows);
        for (size_t i = 0; i < s.n; i++) {
            uint64_t row = s.first + i;

            if (measure_row(s.rows + i * f->dim, rows + i * f->dim, f->dim, fit_weight(f, row), row,
                            &sums, &plain, &result))
                continue;
            st = error_set(e, ST_INVALID,
                           "row %llu would not be finite: the table's numbers are too large for "
                           "the method",
                           (unsigned long long)row);
            goto out;
        }
    }
    result.relative = relative_error(&sums);
    result.cosine_mean = mean_cosine(&sums);
    result.plain_relative = relative_error(&plain);
    result.plain_cosine_mean = mean_cosine(&plain);
    *out = result;
out:
    mem_free(end);
    mem_free(rows);
    mem_free(ids);
    scan_close(&s);
    return st;
}
