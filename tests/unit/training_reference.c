/* SPDX-License-Identifier: Apache-2.0 */
/* See training_reference.h. */
#include "tests/unit/training_reference.h"

#include <math.h>

#include "kernels/kernels.h"
#include "table/optimizer_settings.h"

#define DIFFERENCE 1e-4 /* to either side of a value, relative to it or to 1 */

const float *exact_state_of(const struct table *t, const char *tensor, const char *state)
{
    const struct file_tensor *ft;
    char name[300];

    snprintf(name, sizeof name, "optimizer.%s.%s", tensor, state);
    ft = header_tensor(&t->header, name);
    assert_non_null(ft);
    return table_tensor(t, ft);
}

static void *zeros(size_t count, size_t bytes)
{
    void *p = calloc(count + 1, bytes);

    assert_non_null(p);
    return p;
}

static void read_values(struct exact_tensor *out, const struct parameters *p, unsigned k)
{
    float *unit = zeros(unit_most(p, k), sizeof *unit);

    for (size_t u = 0; out->count && u < out->units; u++) {
        uint64_t first;
        size_t n;

        unit_place(p, k, u, &first, &n);
        unit_load(p, k, u, unit);
        for (size_t j = 0; j < n; j++)
            out->value[first + j] = (double)(out->last[first + j] = unit[j]);
    }
    free(unit);
}

static void read_scales(struct exact_tensor *out, const struct parameters *p)
{
    const float *scale;

    if (strcmp(p->method->name, "alpt"))
        return;
    scale = kit_tensor(p, "scale")->data;
    out->scale = zeros(out->units, sizeof *out->scale);
    out->slack = zeros(out->units, sizeof *out->slack);
    for (size_t u = 0; u < out->units; u++)
        out->scale[u] = (double)scale[u];
}

static void make_tensor(struct exact_table *x, struct exact_tensor *out, const struct parameters *p,
                        unsigned k)
{
    const struct tensor *t = &p->tensor[k];
    size_t states;

    out->units = (size_t)unit_count(p, k);
    out->count = t->count;
    out->value = zeros(t->count, sizeof *out->value);
    out->gradient = zeros(t->count, sizeof *out->gradient);
    out->last = zeros(t->count, sizeof *out->last);
    out->touched = zeros(out->units, 1);
    read_values(out, p, k);
    read_scales(out, p);
    out->scalar = !strcmp(x->s.optimizer->name, "rowwise_adagrad") && !tensor_element_wise(p, k);
    states = out->scalar ? out->units : out->count;
    for (size_t i = 0; out->count && i < OPTIMIZER_STATES && x->s.optimizer->state[i]; i++) {
        const float *from = exact_state_of(x->t, t->name, x->s.optimizer->state[i]);

        out->state[i] = zeros(states, sizeof *out->state[i]);
        for (size_t j = 0; j < states; j++)
            out->state[i][j] = (double)from[j];
    }
}

void exact_make(struct exact_table *x, const struct table *t)
{
    struct error e;

    *x = (struct exact_table){.t = t, .tensor = zeros(t->part_count, sizeof *x->tensor)};
    assert_ok(optimizer_settings_read(&x->s, t->optimizer, 0, &e), e);
    for (size_t i = 0; i < t->part_count; i++)
        for (unsigned k = 0; k < t->part[i].method->tensors_count; k++)
            if (tensor_trained(&t->part[i], k))
                make_tensor(x, &x->tensor[i][k], &t->part[i], k);
}

void exact_done(struct exact_table *x)
{
    for (size_t i = 0; i < x->t->part_count; i++)
        for (unsigned k = 0; k < METHOD_TENSORS_MAX; k++) {
            struct exact_tensor *t = &x->tensor[i][k];

            free(t->value);
            free(t->gradient);
            free(t->last);
            free(t->touched);
            free(t->scale);
            free(t->slack);
            for (size_t j = 0; j < OPTIMIZER_STATES; j++)
                free(t->state[j]);
        }
    free(x->tensor);
    optimizer_settings_done(&x->s);
}

/* What a push asks of one part: rows, then bags, with their gradients as the method gets them. */
struct asked {
    const struct parameters *p;
    const struct update_part *u;
    size_t items;
    double *gradient;                  /* [items][D] */
    double *value[METHOD_TENSORS_MAX]; /* for the formula */
    double *low, *high;                /* [D] */
};

static void formula(const struct asked *a, size_t i, double *out)
{
    const struct method_case *c = case_find(a->p->method->name);

    if (i < a->u->rows) {
        c->exact_row(a->p, a->value, a->u->row[i], out);
    } else {
        const struct update_bag *bag = &a->u->bag[i - a->u->rows];

        c->exact_bag(a->p, a->value, bag->row, bag->weight, bag->n, (double)bag->divisor, out);
    }
}

/* The gradient of one element, and whether anything depends on it. */
static double difference(struct asked *a, double *element, bool *touched)
{
    double kept = *element, h = DIFFERENCE * fmax(1, fabs(kept)), sum = 0;

    for (size_t i = 0; i < a->items; i++) {
        *element = kept - h;
        formula(a, i, a->low);
        *element = kept + h;
        formula(a, i, a->high);
        for (uint32_t j = 0; j < a->p->dim; j++) {
            double change = a->high[j] - a->low[j];

            *touched |= change != 0;
            sum += a->gradient[i * a->p->dim + j] * change / (2 * h);
        }
    }
    *element = kept;
    return sum;
}

static void differences(struct asked *a, struct exact_tensor *t)
{
    for (unsigned k = 0; k < METHOD_TENSORS_MAX; k++)
        for (size_t unit = 0; t[k].count && unit < t[k].units; unit++) {
            bool touched = false;
            uint64_t first;
            size_t n;

            unit_place(a->p, k, unit, &first, &n);
            for (size_t j = 0; j < n; j++)
                t[k].gradient[first + j] = difference(a, &t[k].value[first + j], &touched);
            t[k].touched[unit] = touched;
        }
}

/* A gradient no longer than clip_norm. */
static void clip(struct exact_table *x, const float *gradient, double *out)
{
    double norm = 0, factor = 1;

    for (size_t j = 0; j < x->t->dim; j++)
        norm += (double)gradient[j] * (double)gradient[j];
    norm = sqrt(norm);
    if (x->s.clip_norm > 0 && norm > x->s.clip_norm) {
        factor = x->s.clip_norm / norm;
        x->clipped++;
    }
    for (size_t j = 0; j < x->t->dim; j++)
        out[j] = (double)gradient[j] * factor;
}

static void collect(struct exact_table *x, const struct update_part *u, struct exact_tensor *t)
{
    struct asked a = {.p = &x->t->part[u->part], .u = u, .items = u->rows + u->bags};
    size_t dim = x->t->dim;

    a.gradient = zeros(a.items * dim, sizeof *a.gradient);
    a.low = zeros(dim, sizeof *a.low);
    a.high = zeros(dim, sizeof *a.high);
    for (size_t i = 0; i < a.items; i++)
        clip(x, i < u->rows ? u->gradient + i * dim : u->bag[i - u->rows].gradient,
             a.gradient + i * dim);
    for (unsigned k = 0; k < METHOD_TENSORS_MAX; k++)
        a.value[k] = t[k].value;
    differences(&a, t);
    free(a.gradient);
    free(a.low);
    free(a.high);
}

static double rate_for(const struct optimizer_settings *s, const char *name, double rate)
{
    for (size_t i = 0; i < s->rates; i++)
        if (!strcmp(s->rate[i].name, name))
            return s->rate[i].learning_rate;
    return rate;
}

/* One unit, the elements [first, first + n), by the formulas of methods.md. */
static void step(const struct optimizer_settings *s, struct exact_tensor *t, size_t unit,
                 size_t first, size_t n, double rate)
{
    const char *name = s->optimizer->name;
    double mean = 0, count = (double)s->step, l2 = s->decoupled ? 0 : s->weight_decay;

    for (size_t i = first; i < first + n; i++) {
        double g = t->gradient[i] + l2 * t->value[i];

        mean += g * g / (double)n;
    }
    if (t->scalar)
        t->state[0][unit] += mean;
    for (size_t i = first; i < first + n; i++) {
        double *w = &t->value[i], g = t->gradient[i] + l2 * *w, change;

        if (s->decoupled)
            *w -= rate * s->weight_decay * *w;
        if (!strcmp(name, "sgd")) {
            change = g;
        } else if (!strcmp(name, "adam")) {
            t->state[0][i] = s->beta1 * t->state[0][i] + (1 - s->beta1) * g;
            t->state[1][i] = s->beta2 * t->state[1][i] + (1 - s->beta2) * g * g;
            change = t->state[0][i] / (1 - pow(s->beta1, count)) /
                     (sqrt(t->state[1][i] / (1 - pow(s->beta2, count))) + s->epsilon);
        } else if (t->scalar) {
            change = g / (sqrt(t->state[0][unit]) + s->epsilon);
        } else {
            t->state[0][i] += g * g;
            change = g / (sqrt(t->state[0][i]) + s->epsilon);
        }
        *w -= rate * change;
    }
}

/* The scale of alpt after its step (methods.md 21.4); t->value holds the new values. */
static void step_scale(const struct exact_table *x, const struct parameters *p,
                       struct exact_tensor *t, size_t unit, uint64_t ids)
{
    double high = ldexp(1, (int)kit_setting(p, "digit")->i - 1) - 1, low = -high - 1, sum = 0;
    double rate = x->s.scale_lr >= 0 ? x->s.scale_lr : kit_setting(p, "scale_lr")->r, unsure = 0;
    double factor = rate / sqrt((double)ids * p->dim * high);

    for (size_t i = unit * p->dim; i < (unit + 1) * p->dim; i++) {
        double v = t->value[i] / t->scale[unit], g = t->gradient[i];

        if (v >= high || v <= low)
            sum += g * (v > 0 ? high : low);
        else
            sum += g * (floor(v + 0.5) - v);
        /* float32 leaves this much open of a step's result. */
        unsure += fabs(g) * 1e-6 * (1 + fabs(v));
        if (fabs(v - floor(v) - 0.5) < 1e-6 * (1 + fabs(v)))
            unsure += fabs(g);
    }
    t->scale[unit] = fmax(t->scale[unit] - factor * sum, 1e-8);
    t->slack[unit] = factor * unsure + 1e-7 * t->scale[unit];
}

static void step_part(struct exact_table *x, const struct update *u, size_t part, double rate)
{
    const struct parameters *p = &x->t->part[part];

    for (unsigned k = 0; k < METHOD_TENSORS_MAX; k++) {
        struct exact_tensor *t = &x->tensor[part][k];

        for (size_t unit = 0; unit < t->units; unit++) {
            uint64_t first;
            size_t n;

            if (!t->touched[unit])
                continue;
            unit_place(p, k, unit, &first, &n);
            step(&x->s, t, unit, first, n, rate_for(&x->s, p->tensor[k].name, rate));
            if (t->scale)
                step_scale(x, p, t, unit, u->ids);
        }
    }
}

void exact_push(struct exact_table *x, const struct update *u, double rate)
{
    x->s.step++;
    for (size_t i = 0; i < x->t->part_count; i++)
        for (unsigned k = 0; k < METHOD_TENSORS_MAX; k++)
            for (size_t unit = 0; unit < x->tensor[i][k].units; unit++)
                x->tensor[i][k].touched[unit] = 0;
    for (size_t i = 0; i < u->parts; i++)
        collect(x, &u->part[i], x->tensor[u->part[i].part]);
    for (size_t i = 0; i < u->parts; i++)
        step_part(x, u, u->part[i].part, rate);
}
