/* SPDX-License-Identifier: Apache-2.0 */
/* Narrow rows from a trained table: two passes over it, three with a mean. One thread. */
#include "fits/projected.h"

#include <float.h>
#include <string.h>

#include "base/memory.h"
#include "fits/allocate.h"
#include "fits/linear.h"
#include "fits/scan.h"
#include "fits/spectrum.h"
#include "methods/projected.h"

/* Sums of numbers near the largest may leave the range; every stored number is finite. */
static void make_finite(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = x[i] > FLT_MAX ? FLT_MAX : x[i];
        x[i] = x[i] < -FLT_MAX ? -FLT_MAX : x[i];
        x[i] = x[i] == x[i] ? x[i] : 0;
    }
}

/* Bring all rows down to the directions. */
static enum status project(const struct fit *fit, struct parameters *p,
                           const struct spectrum *spectrum, struct error *e)
{
    uint64_t width = projected_width(p);
    float *emb = p->tensor[PROJECTED_EMB].data;
    struct scan s;
    enum status st;

    if ((st = scan_open(&s, fit, e)) != ST_OK)
        return st;
    scan_start(&s, spectrum ? 0.5 : 0, 1);
    while ((st = scan_next(&s, e)) == ST_OK && s.n) {
        float *to = emb + s.first * width;

        if (spectrum) {
            spectrum_centre(spectrum, s.rows, s.n, fit->dim);
            product_transposed(to, s.rows, spectrum->direction, s.n, width, fit->dim);
            make_finite(to, s.n * width);
        } else {
            memcpy(to, s.rows, s.n * width * sizeof *to);
        }
    }
    scan_close(&s);
    return st;
}

/* A direction that no row needs is 0 with its column of emb; a unit vector does as well, and gives
   later training a slope. */
static void fill_directions(float *proj, uint64_t width, uint32_t dim)
{
    for (uint64_t k = 0; k < width; k++) {
        uint32_t j = 0;

        while (j < dim && proj[k * dim + j] == 0)
            j++;
        if (j == dim)
            proj[k * dim + k] = 1; /* width <= dim */
    }
}

enum status projected_fit(const struct fit *fit, struct parameters *p, struct error *e)
{
    float *proj = p->tensor[PROJECTED_PROJ].data, *bias = p->tensor[PROJECTED_BIAS].data;
    struct spectrum s = {0};
    enum status st;

    if (!proj)
        return project(fit, p, NULL, e);
    st = spectrum_find(&s, fit, bias != NULL, projected_width(p), 0, 0.5, e);
    if (st == ST_OK) {
        memcpy(proj, s.direction, p->tensor[PROJECTED_PROJ].bytes);
        fill_directions(proj, projected_width(p), p->dim);
        if (bias)
            memcpy(bias, s.mean, p->tensor[PROJECTED_BIAS].bytes);
        st = project(fit, p, &s, e);
    }
    spectrum_done(&s);
    return st;
}

/* What a field can be had for. The error of a width is the sum of the values that it leaves out,
   the smallest first; full, it has none. */
static enum status offer(struct choices *c, const struct plan *part, const struct spectrum *s,
                         projected_candidate *candidate, bool bias, struct error *e)
{
    double *error = s->value;
    uint64_t full = part->rows * part->dim * sizeof(float), width;
    enum status st = choices_add(c, (struct choice){.bytes = full}, e);

    for (uint32_t k = part->dim - 1; k > 0; k--)
        error[k - 1] += error[k];
    for (size_t i = 0; st == ST_OK && (width = candidate(part->dim, i)); i++) {
        uint64_t bytes =
            projected_bytes(projected_floats(part->rows, part->dim, width, true, bias));

        if (bytes < full)
            st = choices_add(c,
                             (struct choice){.bytes = bytes,
                                             .error = width < part->dim ? error[width] : 0,
                                             .kept = part->rows,
                                             .width = (uint32_t)width},
                             e);
    }
    return st;
}

static enum status look(const struct fit *fit, const struct layout *l, struct choices *c,
                        projected_candidate *candidate, bool bias, struct error *e)
{
    double rows = fit->rows ? (double)fit->rows : 1;
    enum status st = ST_OK;
    uint64_t first = 0;

    for (size_t i = 0; st == ST_OK && i < l->part_count; first += l->part[i++].rows) {
        struct spectrum s = {0};
        struct fit_part own;

        fit_part_init(&own, fit, first, l->part[i].rows, (double)first / rows,
                      (double)(first + l->part[i].rows) / rows);
        st = spectrum_find(&s, &own.fit, bias, 0, 0, 1, e);
        if (st == ST_OK)
            st = offer(&c[i], &l->part[i], &s, candidate, bias, e);
        else
            st = error_prefix(e, st, "field %zu", i);
        spectrum_done(&s);
    }
    return st;
}

enum status projected_study(const struct fit *fit, struct layout *l, projected_candidate *candidate,
                            bool bias, struct error *e)
{
    struct choices *c;
    enum status st;

    if (!l->per_field || !l->budget || l->part[0].value[PROJECTED_DIMS].set)
        return ST_OK;
    c = mem_zero(l->part_count, sizeof *c);
    if (!c)
        return error_memory(e, "choices");
    st = look(fit, l, c, candidate, bias, e);
    if (st == ST_OK)
        st = choices_take(c, l->part_count, l->budget, e);
    for (size_t i = 0; st == ST_OK && i < l->part_count; i++) {
        const struct choice *taken = &c[i].choice[c[i].taken];

        if (taken->width)
            st = projected_size(&l->part[i], taken->width, true, e);
        else
            layout_full(l, i);
    }
    for (size_t i = 0; i < l->part_count; i++)
        choices_done(&c[i]);
    mem_free(c);
    return st;
}
