/* SPDX-License-Identifier: Apache-2.0 */
/* How far a fit is, and how good it became. */
#include "methods/fit.h"

#include <math.h>

#include "base/memory.h"
#include "methods/scan.h"

enum status fit_progress(const struct fit *f, double done, struct error *e)
{
    if (f->progress && !f->progress(f->context, done))
        return error_set(e, ST_CANCELLED, "stopped");
    return ST_OK;
}

struct sums {
    double error, norm;           /* weighted sums of squares */
    double cosine, cosine_weight; /* over the rows that have one */
};

static void measure_row(const float *want, const float *got, uint32_t dim, double weight,
                        uint64_t row, struct sums *sums, struct fit_error *out)
{
    double error = 0, a = 0, b = 0, ab = 0, cosine;

    for (uint32_t j = 0; j < dim; j++) {
        double x = want[j], y = got[j];

        error += (x - y) * (x - y);
        a += x * x;
        b += y * y;
        ab += x * y;
    }
    sums->error += weight * error;
    sums->norm += weight * a;
    if (a == 0 || b == 0)
        return;
    cosine = ab / (sqrt(a) * sqrt(b));
    cosine = cosine > 1 ? 1 : cosine;
    sums->cosine += weight * cosine;
    sums->cosine_weight += weight;
    if (cosine < out->cosine_worst) {
        out->cosine_worst = cosine;
        out->worst_row = row;
    }
}

enum status fit_measure(const struct fit *f, const struct parameters *p, struct fit_error *out,
                        struct error *e)
{
    struct fit_error result = {.cosine_mean = 1, .cosine_worst = 1};
    struct sums sums = {0};
    uint64_t *ids = NULL;
    float *rows = NULL;
    struct scan s;
    enum status st;

    if ((st = scan_open(&s, f, e)) != ST_OK)
        return st;
    ids = mem_zero(s.room, sizeof *ids);
    rows = mem_zero(s.room * f->dim, sizeof *rows);
    if (!ids || !rows) {
        st = error_memory(e, "a block of rows");
        goto out;
    }
    for (;;) {
        if ((st = scan_next(&s, e)) != ST_OK)
            goto out;
        if (s.n == 0)
            break;
        for (size_t i = 0; i < s.n; i++)
            ids[i] = s.first + i;
        p->method->rows(p, ids, s.n, rows);
        for (size_t i = 0; i < s.n; i++)
            measure_row(s.rows + i * f->dim, rows + i * f->dim, f->dim, fit_weight(f, ids[i]),
                        ids[i], &sums, &result);
    }
    if (sums.error > 0)
        result.relative = sums.norm > 0 ? sums.error / sums.norm : INFINITY;
    if (sums.cosine_weight > 0)
        result.cosine_mean = sums.cosine / sums.cosine_weight;
    *out = result;
out:
    mem_free(rows);
    mem_free(ids);
    scan_close(&s);
    return st;
}
