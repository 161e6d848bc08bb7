/* SPDX-License-Identifier: Apache-2.0 */
/* See training_reference.h. */
#include "tests/unit/training_reference.h"

#include <math.h>

#include "kernels/kernels.h"
#include "table/optimizer_settings.h"

static const float *state_of(const struct table *t, const char *tensor, const char *state)
{
    const struct file_tensor *ft;
    char name[300];

    snprintf(name, sizeof name, "optimizer.%s.%s", tensor, state);
    ft = header_tensor(&t->header, name);
    assert_non_null(ft);
    return table_tensor(t, ft);
}

static void make_tensor(struct exact_table *x, struct exact_tensor *out, const struct parameters *p,
                        unsigned k)
{
    const struct tensor *t = &p->tensor[k];
    size_t n = t->count;

    out->units = (size_t)t->shape[0];
    out->width = out->units ? n / out->units : 0;
    out->value = calloc(n + 1, sizeof *out->value);
    out->gradient = calloc(n + 1, sizeof *out->gradient);
    out->last = calloc(n + 1, sizeof *out->last);
    out->touched = calloc(out->units + 1, 1);
    assert_true(out->value && out->gradient && out->last && out->touched);
    for (size_t u = 0; u < out->units; u++)
        unit_load(p, k, u, out->last + u * out->width);
    for (size_t i = 0; i < n; i++)
        out->value[i] = (double)out->last[i];
    out->states = !strcmp(x->s.optimizer->name, "rowwise_adagrad") ? 1 : out->width;
    for (size_t i = 0; i < OPTIMIZER_STATES && x->s.optimizer->state[i]; i++) {
        const float *from = state_of(x->t, t->name, x->s.optimizer->state[i]);

        out->state[i] = calloc(n + 1, sizeof *out->state[i]);
        assert_non_null(out->state[i]);
        for (size_t j = 0; j < out->units * out->states; j++)
            out->state[i][j] = (double)from[j];
    }
}

void exact_make(struct exact_table *x, const struct table *t)
{
    struct error e;

    *x = (struct exact_table){.t = t, .tensor = calloc(t->part_count, sizeof *x->tensor)};
    assert_non_null(x->tensor);
    assert_ok(optimizer_settings_read(&x->s, t->optimizer, 0, &e), e);
    for (size_t i = 0; i < t->part_count; i++)
        for (unsigned k = 0; k < t->part[i].method->tensors_count; k++)
            if (t->part[i].tensor[k].data && t->part[i].method->tensors[k].flags & TENSOR_TRAINED)
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
            for (size_t j = 0; j < OPTIMIZER_STATES; j++)
                free(t->state[j]);
        }
    free(x->tensor);
    optimizer_settings_done(&x->s);
}

static void add(struct exact_tensor *t, uint64_t unit, size_t j, double g)
{
    assert_true(unit < t->units && j < t->width);
    t->gradient[unit * t->width + j] += g;
    t->touched[unit] = 1;
}

/* One row's gradient into its method's tensors. */
static void add_row(struct exact_tensor *t, const struct parameters *p, uint64_t row,
                    const double *g)
{
    const char *method = p->method->name;
    size_t q_dim = t[0].width;

    if (!strcmp(method, "compo")) {
        uint64_t c = (uint64_t)kit_setting(p, "collisions")->i, q = row / c, r = row % c;
        int64_t op = kit_setting(p, "op")->i;

        for (size_t j = 0; j < p->dim; j++) {
            double vq = j < q_dim ? t[0].value[q * q_dim + j] : 0;
            double vr = op == 2 ? 0 : t[1].value[r * p->dim + j];

            if (op == 2 && j >= q_dim) {
                add(&t[1], r, j - q_dim, g[j]);
                continue;
            }
            add(&t[0], q, j, op == 0 ? g[j] * vr : g[j]);
            if (op != 2)
                add(&t[1], r, j, op == 0 ? g[j] * vq : g[j]);
        }
        return;
    }
    while (!t->value)
        t++;
    for (size_t j = 0; j < p->dim; j++)
        add(t, strcmp(method, "hash") ? row : row % t->units, j, g[j]);
}

/* A bag of compo that pools first: (sum of w q / d) op (sum of w r / d). */
static void add_bag(struct exact_tensor *t, const struct parameters *p,
                    const struct update_bag *bag, const double *g)
{
    uint64_t c = (uint64_t)kit_setting(p, "collisions")->i;
    int64_t op = kit_setting(p, "op")->i;
    double d = (double)bag->divisor;

    assert_true(op < 2);
    for (size_t j = 0; j < p->dim; j++) {
        double q = 0, r = 0;

        for (size_t i = 0; i < bag->n; i++) {
            double w = bag->weight ? (double)bag->weight[i] : 1;

            q += w * t[0].value[bag->row[i] / c * p->dim + j] / d;
            r += w * t[1].value[bag->row[i] % c * p->dim + j] / d;
        }
        for (size_t i = 0; i < bag->n; i++) {
            double w = bag->weight ? (double)bag->weight[i] : 1;

            add(&t[0], bag->row[i] / c, j, w / d * g[j] * (op == 0 ? r : 1));
            add(&t[1], bag->row[i] % c, j, w / d * g[j] * (op == 0 ? q : 1));
        }
    }
}

/* The gradient as the method gets it. */
static const double *clipped(struct exact_table *x, const float *gradient, double *room)
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
        room[j] = (double)gradient[j] * factor;
    return room;
}

static double rate_for(const struct optimizer_settings *s, const char *name, double rate)
{
    for (size_t i = 0; i < s->rates; i++)
        if (!strcmp(s->rate[i].name, name))
            return s->rate[i].learning_rate;
    return rate;
}

/* One unit, by the formulas of methods.md. */
static void step(const struct optimizer_settings *s, struct exact_tensor *t, size_t unit,
                 double rate, double count)
{
    const char *name = s->optimizer->name;
    double *w = t->value + unit * t->width, *g = t->gradient + unit * t->width, mean = 0, change;

    for (size_t j = 0; j < t->width; j++) {
        if (s->decoupled)
            w[j] -= rate * s->weight_decay * w[j];
        else
            g[j] += s->weight_decay * w[j];
        mean += g[j] * g[j] / (double)t->width;
    }
    if (!strcmp(name, "rowwise_adagrad"))
        t->state[0][unit] += mean;
    for (size_t j = 0; j < t->width; j++) {
        size_t at = unit * t->width + j;

        if (!strcmp(name, "sgd")) {
            change = g[j];
        } else if (!strcmp(name, "adagrad")) {
            t->state[0][at] += g[j] * g[j];
            change = g[j] / (sqrt(t->state[0][at]) + s->epsilon);
        } else if (!strcmp(name, "rowwise_adagrad")) {
            change = g[j] / (sqrt(t->state[0][unit]) + s->epsilon);
        } else {
            t->state[0][at] = s->beta1 * t->state[0][at] + (1 - s->beta1) * g[j];
            t->state[1][at] = s->beta2 * t->state[1][at] + (1 - s->beta2) * g[j] * g[j];
            change = t->state[0][at] / (1 - pow(s->beta1, count)) /
                     (sqrt(t->state[1][at] / (1 - pow(s->beta2, count))) + s->epsilon);
        }
        w[j] -= rate * change;
    }
}

void exact_push(struct exact_table *x, const struct update *u, double rate)
{
    double *room = calloc(x->t->dim, sizeof *room);

    assert_non_null(room);
    x->s.step++;
    for (size_t i = 0; i < x->t->part_count; i++)
        for (unsigned k = 0; k < METHOD_TENSORS_MAX; k++) {
            struct exact_tensor *t = &x->tensor[i][k];

            for (size_t j = 0; j < t->units; j++)
                t->touched[j] = 0;
            for (size_t j = 0; j < t->units * t->width; j++)
                t->gradient[j] = 0;
        }
    for (size_t i = 0; i < u->parts; i++) {
        const struct update_part *part = &u->part[i];
        const struct parameters *p = &x->t->part[part->part];
        struct exact_tensor *t = x->tensor[part->part];

        for (size_t k = 0; k < part->rows; k++)
            add_row(t, p, part->row[k], clipped(x, part->gradient + k * p->dim, room));
        for (size_t k = 0; k < part->bags; k++)
            add_bag(t, p, &part->bag[k], clipped(x, part->bag[k].gradient, room));
        for (unsigned k = 0; k < METHOD_TENSORS_MAX; k++)
            for (size_t unit = 0; unit < t[k].units; unit++)
                if (t[k].touched[unit])
                    step(&x->s, &t[k], unit, rate_for(&x->s, p->tensor[k].name, rate),
                         (double)x->s.step);
    }
    free(room);
}

/* How far apart stored values lie around `value`; 0 where nothing is rounded. `lowest` and
   `highest` bound what can be stored. */
static double grain(const struct parameters *p, unsigned k, size_t unit, double value,
                    double *lowest, double *highest)
{
    bool wide = p->tensor[k].dtype == DT_U16 || p->tensor[k].dtype == DT_I16;
    double levels = wide ? 65535 : 255, scale, middle;

    *highest = INFINITY;
    *lowest = -INFINITY;
    switch (p->tensor[k].dtype) {
    case DT_F32:
        return 0;
    case DT_F16:
        return fmax(0x1p-10 * fabs(value), 0x1p-24);
    case DT_BF16:
        return 0x1p-7 * fabs(value);
    default:
        break;
    }
    if (kit_setting(p, "qparam")->i == 1) /* row: the range is the row's own, and grows */
        return (double)((const float *)kit_tensor(p, "qparams")->data)[2 * unit] * 1.001;
    scale = (double)(float)kit_setting(p, "scale")->r;
    middle = kit_setting(p, "middle")->r;
    *lowest = middle - scale * (levels + 1) / 2;
    *highest = *lowest + scale * levels;
    return scale * 1.001;
}

static void compare_unit(struct exact_tensor *t, const struct parameters *p, unsigned k,
                         size_t unit)
{
    double *value = t->value + unit * t->width;
    float *last = t->last + unit * t->width, now[64];

    assert_true(t->width <= 64);
    unit_load(p, k, unit, now);
    for (size_t j = 0; j < t->width; j++) {
        double lowest, highest, step = grain(p, k, unit, value[j], &lowest, &highest);
        double due = fmin(fmax(value[j], lowest), highest);

        if (!t->touched[unit])
            assert_true(now[j] == last[j]);
        else if (fabs((double)now[j] - due) > step + 2e-5 * (1 + fabs(due)))
            fail_msg("%s[%zu][%zu] is %.9g, not %.9g", p->tensor[k].name, unit, j, (double)now[j],
                     due);
        if (step > 0)
            value[j] = (double)now[j];
        last[j] = now[j];
    }
}

static void compare_states(const struct exact_table *x, const struct exact_tensor *t,
                           const char *name)
{
    for (size_t i = 0; i < OPTIMIZER_STATES && x->s.optimizer->state[i]; i++) {
        const float *now = state_of(x->t, name, x->s.optimizer->state[i]);

        for (size_t j = 0; j < t->units * t->states; j++)
            if (fabs((double)now[j] - t->state[i][j]) > 2e-5 * (0.1 + fabs(t->state[i][j])))
                fail_msg("%s.%s[%zu] is %.9g, not %.9g", name, x->s.optimizer->state[i], j,
                         (double)now[j], t->state[i][j]);
    }
}

void exact_compare(struct exact_table *x)
{
    for (size_t i = 0; i < x->t->part_count; i++)
        for (unsigned k = 0; k < METHOD_TENSORS_MAX; k++) {
            struct exact_tensor *t = &x->tensor[i][k];

            for (size_t unit = 0; unit < t->units; unit++)
                compare_unit(t, &x->t->part[i], k, unit);
            if (t->value)
                compare_states(x, t, x->t->part[i].tensor[k].name);
        }
}
