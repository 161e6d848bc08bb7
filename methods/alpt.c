/* SPDX-License-Identifier: Apache-2.0 */
/* Adaptive low precision: rows of integers, each with a scale of its own. Training and fit are in
   files of their own. */
#include "methods/alpt.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>

#include "base/memory.h"
#include "kernels/kernels.h"
#include "methods/explain.h"
#include "methods/init.h"
#include "methods/integer_rows.h"

static const struct setting settings[ALPT_SETTINGS] = {
    [ALPT_DIGIT] = {"digit", SETTING_INT, .min = 8, .max = 16,
                    .help = "bits of an integer, 8 or 16"},
    [ALPT_MIDDLE] = {"middle", SETTING_REAL, .fallback = "0",
                     .help = "the value of the integer 0; only with 0 it can be trained"},
    [ALPT_SCALE_LR] = {"scale_lr", SETTING_REAL, .fallback = "2e-5",
                       .help = "learning rate of the scales, unless the optimizer brings one"},
};

static const struct tensor_decl tensors[ALPT_TENSORS] = {
    [ALPT_Q] = {"q", DT(I8) | DT(I16), "N D", .flags = TENSOR_TRAINED, .help = "the integers"},
    [ALPT_SCALE] = {"scale", DT(F32), "N", .flags = TENSOR_POSITIVE | TENSOR_FOLLOWS,
                    .help = "the step of each row from one integer to the next"},
};

static enum status check_settings(const struct value *v, struct error *e)
{
    double middle = v[ALPT_MIDDLE].r, rate = v[ALPT_SCALE_LR].r;

    if (v[ALPT_DIGIT].i != 8 && v[ALPT_DIGIT].i != 16)
        return error_set(e, ST_INVALID, "digit must be 8 or 16, not %" PRId64, v[ALPT_DIGIT].i);
    if (!isfinite((float)middle))
        return error_set(e, ST_INVALID, "middle must be finite as float32, not %g", middle);
    if (!(rate >= 0 && rate <= FLT_MAX))
        return error_set(e, ST_INVALID, "scale_lr must be a number from 0 on, not %g", rate);
    return ST_OK;
}

static enum status check(struct parameters *p, struct error *e)
{
    const struct tensor *q = &p->tensor[ALPT_Q];
    enum dtype due = p->value[ALPT_DIGIT].i == 8 ? DT_I8 : DT_I16;
    enum status st = check_settings(p->value, e);

    if (st == ST_OK && q->dtype != due)
        st =
            error_set(e, ST_INVALID, "tensor \"%s\" holds %s; with digit %" PRId64 " it must be %s",
                      q->name, dtype_name(q->dtype), p->value[ALPT_DIGIT].i, dtype_name(due));
    return st;
}

static void rows(const struct parameters *p, const uint64_t *row, size_t n, void *out)
{
    const struct tensor *q = &p->tensor[ALPT_Q];
    const float *scale = p->tensor[ALPT_SCALE].data;
    float middle = (float)p->value[ALPT_MIDDLE].r;

    if (q->dtype == DT_I8)
        kernels->i8_rows_scaled(out, q->data, p->dim, row, n, scale, middle);
    else
        kernels->i16_rows_scaled(out, q->data, p->dim, row, n, scale, middle);
}

static uint64_t work(const struct parameters *p)
{
    return p->dim;
}

void alpt_store(const struct parameters *p, uint64_t i, int q)
{
    const struct tensor *t = &p->tensor[ALPT_Q];

    if (t->dtype == DT_I8)
        ((int8_t *)t->data)[i] = (int8_t)q;
    else
        ((int16_t *)t->data)[i] = (int16_t)q;
}

static enum status try_digit(struct plan *plan, int64_t digit, uint64_t *bytes, struct error *e)
{
    plan->value[ALPT_DIGIT] = (struct value){.set = true, .i = digit};
    plan->dtypes[ALPT_Q] = digit == 8 ? DT(I8) : DT(I16);
    return plan_bytes(plan, bytes, e);
}

/* 16 bits where the budget has room for them. */
static enum status plan(struct plan *plan, struct error *e)
{
    bool open = !plan->value[ALPT_DIGIT].set;
    uint64_t bytes = 0;
    enum status st = try_digit(plan, open ? 16 : plan->value[ALPT_DIGIT].i, &bytes, e);

    if (st == ST_OK && open && (!plan->budget || bytes > plan->budget))
        st = try_digit(plan, 8, &bytes, e);
    if (st == ST_OK)
        st = settings_complete(plan->method, plan->value, e);
    return st == ST_OK ? check_settings(plan->value, e) : st;
}

static double author_words(const struct plan *plan)
{
    double rows = (double)plan->rows;

    return rows * plan->dim * (double)plan->value[ALPT_DIGIT].i / 32 + rows;
}

/* Normal numbers about the middle, to the nearest integer. */
static void fill(const struct init *init, struct parameters *p, uint64_t first, uint64_t end)
{
    double deviation = init_deviation(init);
    float scale = (float)integer_start_scale((int)p->value[ALPT_DIGIT].i, deviation);
    struct draws d = draws_of(init, p->tensor[ALPT_Q].name);

    for (uint64_t x = first; x < end; x++)
        ((float *)p->tensor[ALPT_SCALE].data)[x] = scale;
    for (uint64_t i = first * p->dim; i < end * p->dim; i++)
        alpt_store(p, i,
                   integer_nearest(deviation * draw_normal(&d, i) / (double)scale, alpt_low(p),
                                   alpt_high(p)));
}

static enum status init(const struct init *init, struct parameters *p, struct error *e)
{
    (void)e;
    fill(init, p, 0, p->rows);
    return ST_OK;
}

static void init_row(const struct init *init, struct parameters *p, uint64_t row)
{
    fill(init, p, row, row + 1);
}

static void explain(const struct parameters *p, uint64_t row, struct explanation *x)
{
    integer_explain_row(&p->tensor[ALPT_Q], p->dim, row, x);
    explain_real(x, "scale", (double)((const float *)p->tensor[ALPT_SCALE].data)[row]);
    explain_real(x, "middle", p->value[ALPT_MIDDLE].r);
    explain_cells(x, p, ALPT_Q, row, 0, p->dim, 0);
}

const struct method method_alpt = {
    .name = "alpt",
    .title = "ALPT (integers with learned scales)",
    .source = "Li et al., AAAI 2023",
    .fit_extension = true,
    .settings = settings,
    .settings_count = ALPT_SETTINGS,
    .tensors = tensors,
    .tensors_count = ALPT_TENSORS,
    .check = check,
    .rows = rows,
    .work = work,
    .gradient = alpt_gradient,
    .trainable = alpt_trainable,
    .unit_load = alpt_unit_load,
    .unit_store = alpt_unit_store,
    .plan = plan,
    .author_words = author_words,
    .init = init,
    .explain = explain,
    .grows = true,
    .init_row = init_row,
};
