/* SPDX-License-Identifier: Apache-2.0 */
/* Integers to begin training with, and how they are shown. No state. */
#include "methods/init.h"

#include <math.h>

#include "base/memory.h"
#include "methods/explain.h"
#include "methods/integer_rows.h"

double integer_start_scale(int bits, double deviation)
{
    double reach = START_DEVIATIONS * deviation;

    return ldexp(reach > START_REACH ? reach : START_REACH, 1 - bits);
}

static struct draws draws_of_q(const struct init *init, const struct parameters *p)
{
    bool is_signed = p->value[INTEGER_SIGNED].i;

    return draws_of(init, p->tensor[is_signed ? INTEGER_SIGNED_Q : INTEGER_UNSIGNED_Q].name);
}

/* Normal numbers about the middle. */
static void fill_plain(const struct draws *d, double deviation, struct parameters *p, uint64_t row)
{
    int half = 1 << (integer_bits(p) - 1);

    for (uint64_t i = row * p->dim; i < (row + 1) * p->dim; i++) {
        double x = deviation * draw_normal(d, i) / p->value[INTEGER_SCALE].r;
        int q = integer_nearest(x, -half, half - 1);

        integer_store(p, i, p->value[INTEGER_SIGNED].i ? q : q + half);
    }
}

/* With the range of the row's own numbers; they are drawn twice, so that no room is needed. */
static void fill_own(const struct draws *d, double deviation, struct parameters *p, uint64_t row)
{
    int top = (1 << integer_bits(p)) - 1, low = p->value[INTEGER_SIGNED].i ? -(top / 2 + 1) : 0;
    float *own = (float *)p->tensor[INTEGER_QPARAMS].data + 2 * row;
    float min = INFINITY, max = -INFINITY;

    for (uint64_t i = row * p->dim; i < (row + 1) * p->dim; i++) {
        float x = (float)(deviation * draw_normal(d, i));

        min = x < min ? x : min;
        max = x > max ? x : max;
    }
    integer_own_range(p, min, max, own);
    for (uint64_t i = row * p->dim; i < (row + 1) * p->dim; i++) {
        float x = (float)(deviation * draw_normal(d, i));
        double t = own[0] > 0 ? ((double)x - (double)min) / (double)own[0] : 0;

        integer_store(p, i, own[0] > 0 ? integer_nearest(t, 0, top) + low : 0);
    }
}

void integer_init_row(const struct init *init, struct parameters *p, uint64_t row)
{
    struct draws d = draws_of_q(init, p);

    if (p->value[INTEGER_QPARAM].i == QPARAM_ROW)
        fill_own(&d, init_deviation(init), p, row);
    else
        fill_plain(&d, init_deviation(init), p, row);
}

enum status integer_init(const struct init *init, struct parameters *p, struct error *e)
{
    struct value *scale = &p->value[INTEGER_SCALE];

    (void)e;
    if (p->value[INTEGER_QPARAM].i != QPARAM_ROW && !(scale->r > 0))
        *scale = (struct value){.set = true,
                                .r = integer_start_scale(integer_bits(p), init_deviation(init))};
    for (uint64_t row = 0; row < p->rows; row++)
        integer_init_row(init, p, row);
    return ST_OK;
}

void integer_explain_row(const struct tensor *q, uint32_t dim, uint64_t row, struct explanation *x)
{
    int64_t *list = mem_zero(dim, sizeof *list);

    if (!list) {
        x->status = ST_EXHAUSTED;
        return;
    }
    for (uint32_t j = 0; j < dim; j++) {
        size_t i = (size_t)row * dim + j;

        switch (q->dtype) {
        case DT_U8:
            list[j] = ((const uint8_t *)q->data)[i];
            break;
        case DT_I8:
            list[j] = ((const int8_t *)q->data)[i];
            break;
        case DT_U16:
            list[j] = ((const uint16_t *)q->data)[i];
            break;
        default:
            list[j] = ((const int16_t *)q->data)[i];
        }
    }
    explain_numbers(x, "integers", list, dim);
    mem_free(list);
}

void integer_explain(const struct parameters *p, uint64_t row, struct explanation *x)
{
    unsigned q = p->value[INTEGER_SIGNED].i ? INTEGER_SIGNED_Q : INTEGER_UNSIGNED_Q;
    const float *own = p->tensor[INTEGER_QPARAMS].data;

    integer_explain_row(&p->tensor[q], p->dim, row, x);
    if (p->value[INTEGER_QPARAM].i == QPARAM_ROW) {
        explain_real(x, "scale", (double)own[2 * row]);
        explain_real(x, "bias", (double)own[2 * row + 1]);
    } else {
        explain_real(x, "scale", p->value[INTEGER_SCALE].r);
        explain_real(x, "bias", (double)integer_bias(p));
    }
    explain_cells(x, p, q, row, 0, p->dim, 0);
}
