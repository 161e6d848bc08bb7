/* SPDX-License-Identifier: Apache-2.0 */
/* Eigenvectors of the D x D matrix of sums of products, or, where a table has fewer rows than
   columns, of the smaller matrix of the rows' own products, which has the same values. One thread.
 */
#include "fits/spectrum.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "fits/linear.h"
#include "fits/scan.h"

#define NOTHING 1e-13 /* of the largest value: a direction that is only rounding */

struct work {
    const struct fit *fit;
    struct spectrum *s;
    struct scan scan;
    size_t wanted;
    double *gram, *room;
};

void spectrum_done(struct spectrum *s)
{
    mem_free(s->value);
    mem_free(s->direction);
    mem_free(s->mean);
    *s = (struct spectrum){0};
}

static enum status find_mean(struct work *k, struct error *e)
{
    size_t dim = k->fit->dim;
    double *sum = mem_zero(dim, sizeof *sum), weight = 0;
    struct scan *s = &k->scan;
    enum status st;

    if (!sum)
        return error_memory(e, "the mean row");
    while ((st = scan_next(s, e)) == ST_OK && s->n)
        for (size_t i = 0; i < s->n; i++) {
            double w = (double)fit_weight(k->fit, s->first + i);

            weight += w;
            for (size_t j = 0; j < dim; j++)
                sum[j] += w * (double)s->rows[i * dim + j];
        }
    for (size_t j = 0; j < dim; j++)
        k->s->mean[j] = weight > 0 ? (float)(sum[j] / weight) : 0;
    mem_free(sum);
    return st;
}

void spectrum_centre(const struct spectrum *s, float *rows, size_t n, size_t dim)
{
    for (size_t i = 0; s->mean && i < n; i++)
        for (size_t j = 0; j < dim; j++) {
            float x = rows[i * dim + j] - s->mean[j];

            x = x < FLT_MAX ? x : FLT_MAX; /* of numbers near the largest */
            rows[i * dim + j] = x > -FLT_MAX ? x : -FLT_MAX;
        }
}

/* Values and the eigenvectors as rows of `gram`, which was summed up. */
static enum status solve(struct work *k, size_t n, double *value, struct error *e)
{
    enum status st = eigen_symmetric(k->gram, n, value, e);

    for (size_t i = 0; st == ST_OK && i < n; i++)
        value[i] = value[i] > 0 ? value[i] : 0; /* sums of squares, but for rounding */
    return st;
}

static enum status by_columns(struct work *k, struct error *e)
{
    size_t dim = k->fit->dim;
    struct scan *s = &k->scan;
    const float *weight = k->fit->weight;
    enum status st;

    k->gram = mem_zero(dim * dim, sizeof *k->gram);
    k->room = mem_zero(s->room * dim, sizeof *k->room);
    if (!k->gram || !k->room)
        return error_memory(e, "sums of products");
    while ((st = scan_next(s, e)) == ST_OK && s->n) {
        spectrum_centre(k->s, s->rows, s->n, dim);
        gram_add(k->gram, dim, s->rows, weight ? weight + s->first : NULL, s->n, k->room);
    }
    if (st == ST_OK)
        st = solve(k, dim, k->s->value, e);
    for (size_t i = 0; st == ST_OK && i < k->wanted * dim; i++)
        k->s->direction[i] = (float)k->gram[i];
    return st;
}

/* All rows, each times the root of its weight. */
static enum status read_all(struct work *k, float *all, struct error *e)
{
    size_t dim = k->fit->dim;
    struct scan *s = &k->scan;
    enum status st;

    while ((st = scan_next(s, e)) == ST_OK && s->n) {
        spectrum_centre(k->s, s->rows, s->n, dim);
        for (size_t i = 0; i < s->n; i++) {
            double root = sqrt((double)fit_weight(k->fit, s->first + i));

            for (size_t j = 0; j < dim; j++)
                all[(s->first + i) * dim + j] = (float)(root * (double)s->rows[i * dim + j]);
        }
    }
    return st;
}

/* Direction i is the sum of the rows by the elements of eigenvector i, brought to length 1. */
static void directions(struct work *k, const float *all, size_t n)
{
    size_t dim = k->fit->dim;
    double *sum = k->room;

    for (size_t i = 0; i < k->wanted && i < n; i++) {
        double root = sqrt(k->s->value[i]);

        if (!(k->s->value[i] > NOTHING * k->s->value[0]))
            return;
        memset(sum, 0, dim * sizeof *sum);
        for (size_t r = 0; r < n; r++)
            for (size_t j = 0; j < dim; j++)
                sum[j] += k->gram[i * n + r] * (double)all[r * dim + j];
        for (size_t j = 0; j < dim; j++)
            k->s->direction[i * dim + j] = (float)(sum[j] / root);
    }
}

static enum status by_rows(struct work *k, struct error *e)
{
    size_t dim = k->fit->dim, n = (size_t)k->fit->rows;
    size_t room = GRAM_COLUMNS * n > dim ? GRAM_COLUMNS * n : dim;
    float *all = mem_zero(n * dim, sizeof *all);
    enum status st = ST_OK;

    k->gram = mem_zero(n * n, sizeof *k->gram);
    k->room = mem_zero(room, sizeof *k->room);
    if (!all || !k->gram || !k->room)
        st = error_memory(e, "sums of products");
    if (st == ST_OK)
        st = read_all(k, all, e);
    if (st == ST_OK) {
        gram_across(k->gram, n, all, dim, k->room);
        st = solve(k, n, k->s->value, e);
    }
    if (st == ST_OK)
        directions(k, all, n);
    mem_free(all);
    return st;
}

enum status spectrum_find(struct spectrum *s, const struct fit *f, bool centred, size_t wanted,
                          double from, double to, struct error *e)
{
    struct work k = {.fit = f, .s = s, .wanted = wanted};
    enum status st = ST_OK;

    s->value = mem_zero(f->dim, sizeof *s->value);
    s->direction = mem_zero(wanted * f->dim, sizeof *s->direction);
    s->mean = centred ? mem_zero(f->dim, sizeof *s->mean) : NULL;
    if (!s->value || !s->direction || (centred && !s->mean))
        st = error_memory(e, "directions");
    if (st == ST_OK)
        st = scan_open(&k.scan, f, e);
    if (st == ST_OK && centred) {
        scan_start(&k.scan, from, from + (to - from) / 2);
        st = find_mean(&k, e);
        from += (to - from) / 2;
    }
    if (st == ST_OK) {
        scan_start(&k.scan, from, to);
        st = f->rows < f->dim ? by_rows(&k, e) : by_columns(&k, e);
    }
    mem_free(k.room);
    mem_free(k.gram);
    scan_close(&k.scan);
    return st;
}
