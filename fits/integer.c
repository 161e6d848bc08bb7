/* SPDX-License-Identifier: Apache-2.0 */
/* Fitting tables of integers: nearest rounding, with one scale that is searched for, or with the
   range of each row. One thread. */
#include <float.h>
#include <inttypes.h>
#include <math.h>

#include "fits/scan.h"
#include "methods/integer_rows.h"

/* Scales that are tried, in equal ratios from the largest to an eighth of it: clipping a few far
   values often costs less than a coarse step for all. */
#define GRID 33
#define LANES 8 /* sums side by side, which vectors can hold */

/* Largest distance of a value from the middle. */
static enum status find_largest(struct scan *s, float middle, float *largest, struct error *e)
{
    enum status st;

    *largest = 0;
    while ((st = scan_next(s, e)) == ST_OK && s->n)
        for (size_t i = 0; i < s->n * s->fit->dim; i++) {
            float x = fabsf(s->rows[i] - middle);

            *largest = x > *largest ? x : *largest;
        }
    return st;
}

/* Sum of the squared rounding errors of a row, in units of the scale. */
static double row_error(const float *x, uint32_t dim, float middle, float inverse, float low,
                        float high)
{
    float sum[LANES] = {0}, total = 0;
    uint32_t j = 0;

    for (; dim - j >= LANES; j += LANES)
        for (uint32_t k = 0; k < LANES; k++) {
            float t = (x[j + k] - middle) * inverse, q = t > low ? t : low;

            q = q < high ? q : high;
            q = (q + 0x1.8p23f) - 0x1.8p23f; /* rounds to nearest even below 2^22 */
            sum[k] += (t - q) * (t - q);
        }
    for (uint32_t k = 0; j + k < dim; k++) {
        float t = (x[j + k] - middle) * inverse;
        float q = t > low ? (t < high ? rintf(t) : high) : low;

        sum[k] += (t - q) * (t - q);
    }
    for (uint32_t k = 0; k < LANES; k++)
        total += sum[k];
    return total;
}

/* The scale of the grid with the smallest weighted error. */
static enum status find_scale(struct scan *s, float middle, int bits, float largest, float *scale,
                              struct error *e)
{
    float high = (float)((1 << (bits - 1)) - 1), low = -high - 1, candidate[GRID];
    double error[GRID] = {0};
    enum status st;
    int best = 0;

    for (int k = 0; k < GRID; k++)
        candidate[k] = (float)(largest / -low * exp2(-3.0 * k / (GRID - 1)));
    *scale = largest == 0 ? 1 : candidate[0] > FLT_MIN ? candidate[0] : FLT_MIN;
    if (candidate[GRID - 1] < 0x1p-120f) /* whose inverse would leave float32: nothing to gain */
        return ST_OK;
    while ((st = scan_next(s, e)) == ST_OK && s->n)
        for (size_t i = 0; i < s->n; i++) {
            double w = fit_weight(s->fit, s->first + i);

            for (int k = 0; k < GRID; k++)
                error[k] += w * row_error(s->rows + i * s->fit->dim, s->fit->dim, middle,
                                          1 / candidate[k], low, high);
        }
    for (int k = 0; k < GRID; k++) {
        error[k] *= (double)candidate[k] * candidate[k];
        best = error[k] < error[best] ? k : best;
    }
    *scale = candidate[best];
    return st;
}

static enum status fit_table(struct scan *s, struct parameters *p, struct error *e)
{
    double middle = p->value[INTEGER_MIDDLE].r;
    int32_t half = 1 << (integer_bits(p) - 1);
    float largest, scale = (float)p->value[INTEGER_SCALE].r;
    enum status st;

    scan_start(s, 0, 0.2);
    if ((st = find_largest(s, (float)middle, &largest, e)) != ST_OK)
        return st;
    if (fabs(middle) + largest > INTEGER_LARGEST)
        return error_set(e, ST_INVALID, "values that are %g from the middle %g are too far for %s",
                         (double)largest, middle, p->method->name);
    if (!(scale > 0)) {
        scan_start(s, 0.2, 0.8);
        if ((st = find_scale(s, (float)middle, integer_bits(p), largest, &scale, e)) != ST_OK)
            return st;
        p->value[INTEGER_SCALE] = (struct value){.set = true, .r = scale};
    }
    scan_start(s, 0.8, 1);
    while ((st = scan_next(s, e)) == ST_OK && s->n)
        for (size_t i = 0; i < s->n * p->dim; i++) {
            int32_t q = integer_nearest((s->rows[i] - middle) / scale, -half, half - 1);

            integer_store(p, s->first * p->dim + i, p->value[INTEGER_SIGNED].i ? q : q + half);
        }
    return st;
}

static enum status fit_row(struct parameters *p, uint64_t row, const float *x, struct error *e)
{
    float *own = (float *)p->tensor[INTEGER_QPARAMS].data + 2 * row;
    int32_t top = (1 << integer_bits(p)) - 1,
            first = p->value[INTEGER_SIGNED].i ? -(top / 2 + 1) : 0;
    float min = x[0], max = x[0], scale;

    for (uint32_t j = 1; j < p->dim; j++) {
        min = x[j] < min ? x[j] : min;
        max = x[j] > max ? x[j] : max;
    }
    if ((double)max - min > INTEGER_LARGEST * 2)
        return error_set(e, ST_INVALID, "row %" PRIu64 " reaches from %g to %g: too far for %s",
                         row, (double)min, (double)max, p->method->name);
    integer_own_range(p, min, max, own);
    scale = own[0];
    for (uint32_t j = 0; j < p->dim; j++) /* a constant row is its minimum, and its integers 0 */
        integer_store(p, row * p->dim + j,
                      scale > 0 ? integer_nearest(((double)x[j] - min) / scale, 0, top) + first
                                : 0);
    return ST_OK;
}

static enum status fit_rows(struct scan *s, struct parameters *p, struct error *e)
{
    enum status st;

    while ((st = scan_next(s, e)) == ST_OK && s->n)
        for (size_t i = 0; i < s->n; i++)
            if ((st = fit_row(p, s->first + i, s->rows + i * p->dim, e)) != ST_OK)
                return st;
    return st;
}

static enum status integer_fit(const struct fit *fit, struct parameters *p, struct error *e)
{
    struct scan s;
    enum status st;

    if ((st = scan_open(&s, fit, e)) != ST_OK)
        return st;
    st = p->value[INTEGER_QPARAM].i == QPARAM_ROW ? fit_rows(&s, p, e) : fit_table(&s, p, e);
    scan_close(&s);
    return st;
}

const struct fitter fitter_int8 = {.fit = integer_fit};
const struct fitter fitter_int16 = {.fit = integer_fit};
