/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting the two tables of compo. Column j of the trained table, laid out with a row for each
   quotient and a column for each remainder, is a matrix X of which some entries may be missing:
   mult looks for the product u v' nearest to it, add for the nearest sum u_q + v_r, and concat
   takes means. Columns do not depend on each other. Ids come in order, so quotients never fall: a
   row of u is finished before the next begins, and only v needs sums over the whole pass. One
   thread. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "fits/scan.h"
#include "methods/compo.h"

#define SWEEPS 20
#define ENOUGH 1e-4 /* stop when a sweep lowers the error by less than this part of it */

struct work {
    const struct fit *fit;
    struct parameters *p;
    struct scan scan;
    int64_t op, quotient;
    uint64_t collisions;
    size_t q_dim, r_dim;
    float *u;                 /* q.weight */
    double *v;                /* [collisions][r_dim], becomes r.weight at the end */
    double *v_over, *v_under; /* its sums: v = v_over / v_under */
    double *u_over, *u_under; /* [q_dim], the sums for the row of u in hand */
};

/* Every stored number is finite, whatever the weights did to a quotient of sums. */
static float to_float(double x)
{
    return (float)(x > FLT_MAX ? FLT_MAX : x < -FLT_MAX ? -FLT_MAX : x);
}

static double ratio(double over, double under)
{
    return under > 0 ? over / under : 0;
}

/* Finish the row of u that was summed up. */
static void u_finish(struct work *k, uint64_t q)
{
    for (size_t j = 0; j < k->q_dim; j++) {
        k->u[q * k->q_dim + j] = to_float(ratio(k->u_over[j], k->u_under[j]));
        k->u_over[j] = k->u_under[j] = 0;
    }
}

static void u_add(struct work *k, const float *x, double w, const double *v)
{
    for (size_t j = 0; j < k->q_dim; j++) {
        if (k->op == COMPO_MULT) {
            k->u_over[j] += w * x[j] * v[j];
            k->u_under[j] += w * v[j] * v[j];
        } else {
            k->u_over[j] += w * (k->op == COMPO_ADD ? x[j] - v[j] : x[j]);
            k->u_under[j] += w;
        }
    }
}

/* The best u for the v in hand. */
static enum status u_pass(struct work *k, struct error *e)
{
    struct scan *s = &k->scan;
    uint64_t q = 0;
    enum status st;

    while ((st = scan_next(s, e)) == ST_OK && s->n)
        for (size_t i = 0; i < s->n; i++) {
            uint64_t id = s->first + i, next = compo_quotient(id, k->collisions, k->quotient);

            if (next != q)
                u_finish(k, q);
            q = next;
            u_add(k, s->rows + i * k->fit->dim, fit_weight(k->fit, id),
                  k->v + id % k->collisions * k->r_dim);
        }
    if (st == ST_OK && k->fit->rows)
        u_finish(k, q);
    return st;
}

/* Add a row to the sums of its row of v; returns the sum of squares of what v shall explain. */
static double v_add(struct work *k, const float *x, double w, uint64_t q, uint64_t r)
{
    double *over = k->v_over + r * k->r_dim, *under = k->v_under + r * k->r_dim, squares = 0;
    const float *u = k->u + q * k->q_dim;

    for (size_t j = 0; j < k->r_dim; j++) {
        double target = k->op == COMPO_ADD ? (double)x[j] - u[j] : x[j];
        double factor = k->op == COMPO_MULT ? u[j] : 1;

        over[j] += w * target * factor;
        under[j] += w * factor * factor;
        squares += w * target * target;
    }
    return squares;
}

/* The best v for the u in hand. `error` is what both together leave; `squares` is what there was,
   so that an error which is only rounding can be told. */
static enum status v_pass(struct work *k, double *error, double *squares, struct error *e)
{
    size_t count = k->collisions * k->r_dim, skip = k->fit->dim - k->r_dim;
    struct scan *s = &k->scan;
    double explained = 0;
    enum status st;

    memset(k->v_over, 0, count * sizeof *k->v_over);
    memset(k->v_under, 0, count * sizeof *k->v_under);
    *squares = 0;
    while ((st = scan_next(s, e)) == ST_OK && s->n)
        for (size_t i = 0; i < s->n; i++) {
            uint64_t id = s->first + i;

            *squares += v_add(k, s->rows + i * k->fit->dim + skip, fit_weight(k->fit, id),
                              compo_quotient(id, k->collisions, k->quotient), id % k->collisions);
        }
    for (size_t i = 0; i < count; i++) {
        k->v[i] = ratio(k->v_over[i], k->v_under[i]);
        explained += k->v[i] * k->v_over[i];
    }
    *error = *squares - explained;
    return st;
}

/* Begin mult with v = the row of X with the largest norm, in each column: one pass to find it and
   one to fetch it. */
static enum status v_start(struct work *k, struct error *e)
{
    size_t dim = k->fit->dim;
    double *norm = mem_zero(dim, sizeof *norm), *best = mem_zero(dim, sizeof *best);
    uint64_t *best_q = mem_zero(dim, sizeof *best_q), q = 0;
    struct scan *s = &k->scan;
    enum status st;

    if (!norm || !best || !best_q) {
        st = error_memory(e, "norms");
        goto out;
    }
    scan_start(s, 0, 0.5 / (SWEEPS + 1));
    while ((st = scan_next(s, e)) == ST_OK && s->n)
        for (size_t i = 0; i < s->n; i++) {
            uint64_t id = s->first + i, next = compo_quotient(id, k->collisions, k->quotient);
            double w = fit_weight(k->fit, id);

            if (next != q)
                memset(norm, 0, dim * sizeof *norm);
            q = next;
            for (size_t j = 0; j < dim; j++) {
                double x = s->rows[i * dim + j];

                norm[j] += w * x * x;
                if (norm[j] > best[j]) {
                    best[j] = norm[j];
                    best_q[j] = q;
                }
            }
        }
    if (st != ST_OK)
        goto out;
    scan_start(s, 0.5 / (SWEEPS + 1), 1.0 / (SWEEPS + 1));
    while ((st = scan_next(s, e)) == ST_OK && s->n)
        for (size_t i = 0; i < s->n; i++) {
            uint64_t id = s->first + i;

            q = compo_quotient(id, k->collisions, k->quotient);
            for (size_t j = 0; j < dim; j++)
                if (best_q[j] == q)
                    k->v[id % k->collisions * dim + j] = s->rows[i * dim + j];
        }
out:
    mem_free(best_q);
    mem_free(best);
    mem_free(norm);
    return st;
}

/* Give u and v the same norm in each column. Where one is all zero the other becomes 1, so that
   later training finds a slope. */
static void balance(struct work *k)
{
    uint64_t q_rows = k->p->tensor[COMPO_Q].shape[0];

    for (size_t j = 0; j < k->r_dim; j++) {
        double u = 0, v = 0, c;

        for (uint64_t q = 0; q < q_rows; q++)
            u += (double)k->u[q * k->q_dim + j] * k->u[q * k->q_dim + j];
        for (uint64_t r = 0; r < k->collisions; r++)
            v += k->v[r * k->r_dim + j] * k->v[r * k->r_dim + j];
        c = u > 0 && v > 0 ? sqrt(sqrt(v / u)) : 0;
        for (uint64_t q = 0; q < q_rows; q++)
            k->u[q * k->q_dim + j] = to_float(k->u[q * k->q_dim + j] * c);
        for (uint64_t r = 0; r < k->collisions; r++)
            k->v[r * k->r_dim + j] = c > 0 ? k->v[r * k->r_dim + j] / c : 1;
    }
}

static enum status sweep(struct work *k, struct error *e)
{
    double error, squares, before = INFINITY;
    enum status st;

    for (int i = 1; i <= SWEEPS; i++) {
        scan_start(&k->scan, (double)i / (SWEEPS + 1), (i + 0.5) / (SWEEPS + 1));
        if ((st = u_pass(k, e)) != ST_OK)
            return st;
        scan_start(&k->scan, (i + 0.5) / (SWEEPS + 1), (i + 1.0) / (SWEEPS + 1));
        if ((st = v_pass(k, &error, &squares, e)) != ST_OK)
            return st;
        if (!(error < before * (1 - ENOUGH)) || error <= 1e-15 * squares)
            break;
        before = error;
    }
    return ST_OK;
}

/* Both halves are means: one pass over u's columns, one over v's. */
static enum status means(struct work *k, struct error *e)
{
    double error, squares;
    enum status st;

    scan_start(&k->scan, 0, 0.5);
    if ((st = u_pass(k, e)) != ST_OK)
        return st;
    scan_start(&k->scan, 0.5, 1);
    return v_pass(k, &error, &squares, e);
}

static enum status fit(const struct fit *from, struct parameters *p, struct error *e)
{
    struct tensor *r = &p->tensor[COMPO_R];
    struct work k = {
        .fit = from,
        .p = p,
        .op = p->value[COMPO_OP].i,
        .quotient = p->value[COMPO_QUOTIENT].i,
        .collisions = (uint64_t)p->value[COMPO_COLLISIONS].i,
        .q_dim = p->tensor[COMPO_Q].shape[1],
        .r_dim = r->shape[1],
        .u = p->tensor[COMPO_Q].data,
    };
    enum status st;

    k.v = mem_zero(r->count, sizeof *k.v);
    k.v_over = mem_zero(r->count, sizeof *k.v_over);
    k.v_under = mem_zero(r->count, sizeof *k.v_under);
    k.u_over = mem_zero(k.q_dim, sizeof *k.u_over);
    k.u_under = mem_zero(k.q_dim, sizeof *k.u_under);
    if (!k.v || !k.v_over || !k.v_under || !k.u_over || !k.u_under) {
        st = error_memory(e, "sums of the fit");
        goto out;
    }
    if ((st = scan_open(&k.scan, from, e)) != ST_OK)
        goto out;
    if (k.op == COMPO_MULT && (st = v_start(&k, e)) != ST_OK)
        goto out;
    if ((st = k.op == COMPO_CONCAT ? means(&k, e) : sweep(&k, e)) != ST_OK)
        goto out;
    if (k.op == COMPO_MULT)
        balance(&k);
    for (size_t i = 0; i < r->count; i++)
        ((float *)r->data)[i] = to_float(k.v[i]);
out:
    scan_close(&k.scan);
    mem_free(k.u_under);
    mem_free(k.u_over);
    mem_free(k.v_under);
    mem_free(k.v_over);
    mem_free(k.v);
    return st;
}

const struct fitter fitter_compo = {.fit = fit};
