/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting a tensor train. Numbered by (i0,a), (i1,b), (i2,c) the table is a box with three sides,
   and a train of three cores is the projection of two of them on r1 and r2 directions: U for the
   first side, V for the last, and core 1 is what is left of the box. The best directions of a side
   are eigenvectors of its Gram matrix, which is gathered slab by slab, so the table is streamed.
   The first U sees the whole box, V what U leaves of it; then each is found again for the other
   (this is alternating least squares, with all solutions in closed form), which never makes it
   worse. One thread beside those of BLAS. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "fits/linear.h"
#include "fits/tt_slab.h"
#include "fits/tt_study.h"

#define SWEEPS 3       /* of finding U and V again */
#define ENOUGH 1e-3    /* a sweep that improves less is the last one */
#define ROUNDING 1e-13 /* an error that is only rounding, relative to the sum of squares */
#define GRAM_ROWS 256  /* given to gram_add() at a time */

struct work {
    struct parameters *p;
    struct tt_slab slab;
    size_t d1, m0, m2, r1, r2; /* the ranks are cut to the sides */
    double *gram[2], *value;   /* of the two sides */
    double *room;
    float *u, *v; /* [r1][m0] and [r2][m2]: directions in rows */
    float *part;  /* the slab, projected from one side */
    double total; /* sum of squares */
};

static enum status work_open(struct work *k, const struct fit *fit, struct parameters *p,
                             struct error *e)
{
    struct tt_shape s = tt_shape(p->value);
    size_t longest, part;
    enum status st;

    k->p = p;
    if ((st = tt_slab_open(&k->slab, fit, &s, e)) != ST_OK)
        return st;
    k->d1 = s.d[1];
    k->m0 = k->slab.m0;
    k->m2 = k->slab.m2;
    k->r1 = s.r[1] < k->m0 ? s.r[1] : k->m0;
    k->r2 = s.r[2] < k->m2 ? s.r[2] : k->m2;
    longest = k->m0 > k->m2 ? k->m0 : k->m2;
    part = k->r1 * k->m2 > k->r2 * k->m0 ? k->r1 * k->m2 : k->r2 * k->m0;
    k->gram[0] = mem_zero(k->m0 * k->m0, sizeof *k->gram[0]);
    k->gram[1] = mem_zero(k->m2 * k->m2, sizeof *k->gram[1]);
    k->value = mem_zero(longest, sizeof *k->value);
    k->room =
        mem_zero(longest * (GRAM_ROWS > GRAM_COLUMNS ? GRAM_ROWS : GRAM_COLUMNS), sizeof *k->room);
    k->u = mem_zero(k->r1 * k->m0, sizeof *k->u);
    k->v = mem_zero(k->r2 * k->m2, sizeof *k->v);
    k->part = mem_zero(part, k->d1 * sizeof *k->part);
    if (!k->gram[0] || !k->gram[1] || !k->value || !k->room || !k->u || !k->v || !k->part)
        return error_memory(e, "matrices of the fit");
    return ST_OK;
}

static void work_close(struct work *k)
{
    mem_free(k->part);
    mem_free(k->v);
    mem_free(k->u);
    mem_free(k->room);
    mem_free(k->value);
    mem_free(k->gram[1]);
    mem_free(k->gram[0]);
    tt_slab_close(&k->slab);
}

/* The r largest eigenvectors of a Gram matrix become directions. */
static enum status directions(struct work *k, unsigned side, size_t m, size_t r, float *out,
                              struct error *e)
{
    enum status st = eigen_symmetric(k->gram[side], m, k->value, e);

    for (size_t i = 0; st == ST_OK && i < r * m; i++)
        out[i] = (float)k->gram[side][i];
    return st;
}

/* U for the whole box, or for what V leaves of it. */
static enum status find_u(struct work *k, bool whole, struct error *e)
{
    enum status st;

    memset(k->gram[0], 0, k->m0 * k->m0 * sizeof *k->gram[0]);
    for (uint64_t i1 = 0; i1 < k->slab.s.n[1]; i1++) {
        bool empty;

        if ((st = tt_slab_read(&k->slab, i1, &empty, e)) != ST_OK)
            return st;
        if (empty)
            continue;
        if (whole) {
            gram_across(k->gram[0], k->m0, k->slab.x, k->d1 * k->m2, k->room);
        } else {
            product_transposed(k->part, k->slab.x, k->v, k->m0 * k->d1, k->r2, k->m2);
            gram_across(k->gram[0], k->m0, k->part, k->d1 * k->r2, k->room);
        }
    }
    for (size_t i = 0; whole && i < k->m0; i++)
        k->total += k->gram[0][i * k->m0 + i];
    return directions(k, 0, k->m0, k->r1, k->u, e);
}

/* V for what U leaves. *kept: the sum of squares of the projection on both. */
static enum status find_v(struct work *k, double *kept, struct error *e)
{
    size_t rows = k->r1 * k->d1;
    enum status st;

    memset(k->gram[1], 0, k->m2 * k->m2 * sizeof *k->gram[1]);
    for (uint64_t i1 = 0; i1 < k->slab.s.n[1]; i1++) {
        bool empty;

        if ((st = tt_slab_read(&k->slab, i1, &empty, e)) != ST_OK)
            return st;
        if (empty)
            continue;
        product(k->part, k->u, k->slab.x, k->r1, k->d1 * k->m2, k->m0);
        for (size_t at = 0; at < rows; at += GRAM_ROWS)
            gram_add(k->gram[1], k->m2, k->part + at * k->m2, NULL,
                     rows - at < GRAM_ROWS ? rows - at : GRAM_ROWS, k->room);
    }
    st = directions(k, 1, k->m2, k->r2, k->v, e);
    *kept = 0;
    for (size_t l = 0; l < k->r2; l++)
        *kept += k->value[l];
    return st;
}

/* 1 / the scale of a digit; what has no weight becomes 0. */
static double unscale(const struct work *k, unsigned t, uint64_t digit)
{
    double scale = k->slab.scale[t] ? k->slab.scale[t][digit] : 1;

    return scale > 0 ? 1 / scale : 0;
}

/* The box projected on both, into core 1. Ranks beyond the sides stay 0. */
static enum status fill_core1(struct work *k, struct error *e)
{
    const struct tt_shape *s = &k->slab.s;
    float *slice = k->p->tensor[TT_CORE1].data, *both;
    enum status st = ST_OK;

    both = mem_zero(k->r1 * k->d1 * k->r2, sizeof *both);
    if (!both)
        return error_memory(e, "a slice of core.1");
    for (uint64_t i1 = 0; i1 < s->n[1]; i1++, slice += s->r[1] * s->d[1] * s->r[2]) {
        double factor = unscale(k, 1, i1);
        bool empty;

        if ((st = tt_slab_read(&k->slab, i1, &empty, e)) != ST_OK)
            break;
        if (empty)
            continue;
        product(k->part, k->u, k->slab.x, k->r1, k->d1 * k->m2, k->m0);
        product_transposed(both, k->part, k->v, k->r1 * k->d1, k->r2, k->m2);
        for (size_t i = 0; i < k->r1 * k->d1; i++)
            for (size_t l = 0; l < k->r2; l++)
                slice[i * s->r[2] + l] = (float)(factor * both[i * k->r2 + l]);
    }
    mem_free(both);
    return st;
}

static void fill_ends(struct work *k)
{
    const struct tt_shape *s = &k->slab.s;
    float *core0 = k->p->tensor[TT_CORE0].data, *core2 = k->p->tensor[TT_CORE2].data;

    for (size_t i = 0; i < k->m0; i++)
        for (size_t j = 0; j < k->r1; j++)
            core0[i * s->r[1] + j] = (float)(k->u[j * k->m0 + i] * unscale(k, 0, i / s->d[0]));
    for (size_t i = 0; i < s->n[2]; i++)
        for (size_t l = 0; l < k->r2; l++)
            for (size_t c = 0; c < s->d[2]; c++)
                core2[(i * s->r[2] + l) * s->d[2] + c] =
                    (float)(k->v[l * k->m2 + i * s->d[2] + c] * unscale(k, 2, i));
}

/* Numbers of one magnitude in all cores, so that later training moves them alike, and the unit of
   the slabs taken back. */
static void balance(struct work *k)
{
    double root[3], mean;

    for (unsigned t = 0; t < 3; t++) {
        const float *x = k->p->tensor[t].data;
        double sum = 0;

        for (size_t i = 0; i < k->p->tensor[t].count; i++)
            sum += (double)x[i] * x[i];
        root[t] = sqrt(sum / (double)k->p->tensor[t].count);
    }
    if (!(root[0] > 0 && root[1] > 0 && root[2] > 0))
        return; /* nothing but zeros */
    mean = cbrt(root[0]) * cbrt(root[1]) * cbrt(root[2]) / cbrt(k->slab.unit);
    for (unsigned t = 0; t < 3; t++) {
        float *x = k->p->tensor[t].data;

        for (size_t i = 0; i < k->p->tensor[t].count; i++)
            x[i] = (float)(x[i] * (mean / root[t]));
    }
}

static enum status fit(const struct fit *from, struct parameters *p, struct error *e)
{
    struct work k = {0};
    double pass = 1.0 / (2 * SWEEPS + 3), done = 0, kept, before;
    enum status st;

    if ((st = work_open(&k, from, p, e)) != ST_OK)
        goto out;
    tt_slab_start(&k.slab, done, done + pass);
    if ((st = find_u(&k, true, e)) != ST_OK)
        goto out;
    k.total *= tt_slab_normalise(&k.slab);
    done += pass;
    tt_slab_start(&k.slab, done, done + pass);
    if ((st = find_v(&k, &kept, e)) != ST_OK)
        goto out;
    done += pass;
    for (int i = 0; i < SWEEPS && k.total - kept > ROUNDING * k.total; i++) {
        before = kept;
        tt_slab_start(&k.slab, done, done + pass);
        if ((st = find_u(&k, false, e)) != ST_OK)
            goto out;
        done += pass;
        tt_slab_start(&k.slab, done, done + pass);
        if ((st = find_v(&k, &kept, e)) != ST_OK)
            goto out;
        done += pass;
        if (!(kept - before > ENOUGH * (k.total - before)))
            break;
    }
    tt_slab_start(&k.slab, done, 1);
    if ((st = fill_core1(&k, e)) != ST_OK)
        goto out;
    fill_ends(&k);
    balance(&k);
    st = fit_progress(from, 1, e);
out:
    work_close(&k);
    return st;
}

const struct fitter fitter_tt = {.study = tt_study, .fit = fit};
