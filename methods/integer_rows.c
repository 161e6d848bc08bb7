/* SPDX-License-Identifier: Apache-2.0 */
/* Rules, budget and range of tables of integers; fit and training are in files of their
   own. */
#include "methods/integer_rows.h"

#include <inttypes.h>
#include <math.h>

static int digit(const struct method *m)
{
    return (int)m->settings[INTEGER_DIGIT].min;
}

int integer_bits(const struct parameters *p)
{
    return digit(p->method);
}

void integer_store(const struct parameters *p, uint64_t i, int q)
{
    unsigned tensor = p->value[INTEGER_SIGNED].i ? INTEGER_SIGNED_Q : INTEGER_UNSIGNED_Q;
    void *data = p->tensor[tensor].data;

    if (integer_bits(p) == 8)
        ((uint8_t *)data)[i] = (uint8_t)q;
    else
        ((uint16_t *)data)[i] = (uint16_t)q;
}

int integer_nearest(double x, int low, int high)
{
    return x <= low ? low : x >= high ? high : (int)rint(x);
}

float integer_bias(const struct parameters *p)
{
    double middle = p->value[INTEGER_MIDDLE].r, scale = p->value[INTEGER_SCALE].r;

    if (p->value[INTEGER_SIGNED].i)
        return (float)middle;
    return (float)(middle - ldexp(scale, digit(p->method) - 1));
}

void integer_own_range(const struct parameters *p, float min, float max, float own[2])
{
    int top = (1 << digit(p->method)) - 1, first = p->value[INTEGER_SIGNED].i ? -(top / 2 + 1) : 0;
    float scale = (float)(((double)max - min) / top);

    own[0] = scale;
    own[1] = scale > 0 ? (float)(min - (double)scale * first) : min;
}

static enum status scale_check(double scale, struct error *e)
{
    if ((float)scale > 0 && isfinite((float)scale))
        return ST_OK;
    return error_set(e, ST_INVALID, "scale must be above 0 and finite as float32, not %g", scale);
}

static enum status qparams_check(const struct parameters *p, struct error *e)
{
    const float *qparams = p->tensor[INTEGER_QPARAMS].data;

    for (uint64_t i = 0; i < p->rows; i++)
        if (!(qparams[2 * i] >= 0))
            return error_set(e, ST_INVALID,
                             "tensor \"qparams\": the scale of row %" PRIu64
                             " is %g; it must not be "
                             "negative",
                             i, (double)qparams[2 * i]);
    return ST_OK;
}

enum status integer_check(struct parameters *p, struct error *e)
{
    enum status st;

    if (p->value[INTEGER_QPARAM].i == QPARAM_ROW) {
        if (p->value[INTEGER_MIDDLE].r != 0)
            return error_set(e, ST_INVALID, "middle goes with qparam=table only");
        return qparams_check(p, e);
    }
    if ((st = scale_check(p->value[INTEGER_SCALE].r, e)) != ST_OK)
        return st;
    if (!isfinite(integer_bias(p)))
        return error_set(e, ST_INVALID, "scale %g and middle %g begin outside float32",
                         p->value[INTEGER_SCALE].r, p->value[INTEGER_MIDDLE].r);
    return ST_OK;
}

uint64_t integer_work(const struct parameters *p)
{
    return p->dim;
}

/* A scale and a minimum a row where the budget allows: far closer when the rows differ in length.
 */
enum status integer_plan(struct plan *plan, struct error *e)
{
    struct value *v = plan->value;
    struct plan row = *plan; /* borrows its lists */
    uint64_t bytes;
    enum status st;

    plan_choose(plan, INTEGER_DIGIT, digit(plan->method));
    if (!v[INTEGER_QPARAM].set) {
        plan_choose(&row, INTEGER_SIGNED, false);
        plan_choose(&row, INTEGER_QPARAM, QPARAM_ROW);
        if ((st = plan_bytes(&row, &bytes, e)) != ST_OK)
            return st;
        plan_choose(plan, INTEGER_QPARAM,
                    v[INTEGER_SCALE].set || v[INTEGER_MIDDLE].set ||
                            (plan->budget && bytes > plan->budget)
                        ? QPARAM_TABLE
                        : QPARAM_ROW);
    }
    /* With one scale, signed integers come out of one product, free of the bias's rounding. With a
       minimum a row the integers count from it. */
    plan_choose(plan, INTEGER_SIGNED, v[INTEGER_QPARAM].i == QPARAM_TABLE);
    if (v[INTEGER_QPARAM].i == QPARAM_TABLE)
        plan_choose(plan, INTEGER_SCALE, 0); /* left to the fit */
    return v[INTEGER_SCALE].set && v[INTEGER_SCALE].r != 0 ? scale_check(v[INTEGER_SCALE].r, e)
                                                           : ST_OK;
}

double integer_author_words(const struct plan *plan)
{
    double rows = (double)plan->rows, words = rows * plan->dim * digit(plan->method) / 32;

    return plan->value[INTEGER_QPARAM].i == QPARAM_ROW ? words + 2 * rows : words;
}
