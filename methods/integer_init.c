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

/* Normal numbers about the middle. */
static void init_table(const struct draws *d, double deviation, struct parameters *p)
{
    int bits = integer_bits(p), half = 1 << (bits - 1);
    struct value *scale = &p->value[INTEGER_SCALE];

    if (!(scale->r > 0))
        *scale = (struct value){.set = true, .r = integer_start_scale(bits, deviation)};
    for (uint64_t i = 0; i < p->rows * p->dim; i++) {
        int q = integer_nearest(deviation * draw_normal(d, i) / scale->r, -half, half - 1);

        integer_store(p, i, p->value[INTEGER_SIGNED].i ? q : q + half);
    }
}

/* Each row with the range of its own numbers. */
static enum status init_rows(const struct draws *d, double deviation, struct parameters *p,
                             struct error *e)
{
    int top = (1 << integer_bits(p)) - 1, low = p->value[INTEGER_SIGNED].i ? -(top / 2 + 1) : 0;
    float *x = mem_zero(p->dim, sizeof *x);

    if (!x)
        return error_memory(e, "a row");
    for (uint64_t row = 0; row < p->rows; row++) {
        float *own = (float *)p->tensor[INTEGER_QPARAMS].data + 2 * row, min = INFINITY;
        float max = -INFINITY;

        for (uint32_t j = 0; j < p->dim; j++) {
            x[j] = (float)(deviation * draw_normal(d, row * p->dim + j));
            min = x[j] < min ? x[j] : min;
            max = x[j] > max ? x[j] : max;
        }
        integer_own_range(p, min, max, own);
        for (uint32_t j = 0; j < p->dim; j++) {
            double t = own[0] > 0 ? ((double)x[j] - (double)min) / (double)own[0] : 0;

            integer_store(p, row * p->dim + j, own[0] > 0 ? integer_nearest(t, 0, top) + low : 0);
        }
    }
    mem_free(x);
    return ST_OK;
}

enum status integer_init(const struct init *init, struct parameters *p, struct error *e)
{
    bool is_signed = p->value[INTEGER_SIGNED].i;
    const struct tensor *q = &p->tensor[is_signed ? INTEGER_SIGNED_Q : INTEGER_UNSIGNED_Q];
    struct draws d = draws_of(init, q->name);

    if (p->value[INTEGER_QPARAM].i == QPARAM_ROW)
        return init_rows(&d, init_deviation(init), p, e);
    init_table(&d, init_deviation(init), p);
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
