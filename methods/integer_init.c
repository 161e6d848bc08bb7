/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of integers to train from: normal numbers, rounded at random to one of their two
   neighbours, so that no step of the scale is preferred. No state. */
#include <math.h>

#include "methods/init.h"
#include "methods/integer_rows.h"

/* One scale for the table reaches as far as the authors' 8 bits do, whose steps are 0.01, when the
   numbers have the usual deviation: 25.6 deviations to either side leave room for training. */
#define REACH 25.6

struct storing {
    struct parameters *p;
    struct draws number, up;
    double deviation;
    unsigned tensor;
    int bits;
};

static void store(const struct storing *s, uint64_t place, float scale, float bias, double x)
{
    int low = s->p->value[INTEGER_SIGNED].i ? -(1 << (s->bits - 1)) : 0;
    int top = low + (1 << s->bits) - 1;
    double t =
        scale > 0 ? floor((x - (double)bias) / (double)scale + draw_uniform(&s->up, place)) : low;
    int q = t > low ? t < top ? (int)t : top : low;
    void *data = s->p->tensor[s->tensor].data;

    if (s->bits == 8)
        ((uint8_t *)data)[place] = (uint8_t)q;
    else
        ((uint16_t *)data)[place] = (uint16_t)q;
}

static double number(const struct storing *s, uint64_t place)
{
    return s->deviation * draw_normal(&s->number, place);
}

static void fill_row(const struct storing *s, uint64_t row)
{
    uint64_t first = row * s->p->dim;
    float min = INFINITY, max = -INFINITY, *own;

    for (uint32_t j = 0; j < s->p->dim; j++) {
        float x = (float)number(s, first + j);

        min = x < min ? x : min;
        max = x > max ? x : max;
    }
    own = (float *)s->p->tensor[INTEGER_QPARAMS].data + 2 * row;
    integer_own_range(s->p, min, max, own);
    for (uint32_t j = 0; j < s->p->dim; j++)
        store(s, first + j, own[0], own[1], number(s, first + j));
}

enum status integer_init(const struct init *init, struct parameters *p, struct error *e)
{
    struct value *scale = &p->value[INTEGER_SCALE];
    struct storing s = {.p = p,
                        .number = draws_of(init, "q"),
                        .up = draws_of(init, "q.up"),
                        .deviation = init_deviation(init),
                        .tensor =
                            p->value[INTEGER_SIGNED].i ? INTEGER_SIGNED_Q : INTEGER_UNSIGNED_Q,
                        .bits = (int)p->method->settings[INTEGER_DIGIT].min};

    if (p->value[INTEGER_QPARAM].i == QPARAM_ROW) {
        for (uint64_t row = 0; row < p->rows; row++)
            fill_row(&s, row);
        return ST_OK;
    }
    if (!(scale->r > 0))
        *scale = (struct value){.set = true, .r = ldexp(REACH * s.deviation, 1 - s.bits)};
    if (!((float)scale->r > 0))
        return error_set(e, ST_INVALID, "numbers of the deviation %g are too small for any scale",
                         s.deviation);
    for (uint64_t i = 0; i < p->tensor[s.tensor].count; i++)
        store(&s, i, (float)scale->r, integer_bias(p), number(&s, i));
    return ST_OK;
}
