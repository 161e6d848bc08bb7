/* SPDX-License-Identifier: Apache-2.0 */
/* A table against its exact one. See training_reference.h. */
#include <math.h>

#include "tests/unit/training_reference.h"

#define PRECISION 2e-5 /* what float32 may lose in a push, relative to 1 or to the number */

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
    if (!strcmp(p->method->name, "alpt")) {
        scale = (double)((const float *)kit_tensor(p, "scale")->data)[unit];
        middle = 0;
    } else if (kit_setting(p, "qparam")->i == 1) { /* row: the range is the row's own, and grows */
        return (double)((const float *)kit_tensor(p, "qparams")->data)[2 * unit] * 1.001;
    } else {
        scale = (double)(float)kit_setting(p, "scale")->r;
        middle = kit_setting(p, "middle")->r;
    }
    *lowest = middle - scale * (levels + 1) / 2;
    *highest = *lowest + scale * levels;
    return scale * 1.001;
}

static void compare_unit(struct exact_tensor *t, const struct parameters *p, unsigned k,
                         size_t unit, float *now)
{
    uint64_t first;
    size_t n;

    unit_place(p, k, unit, &first, &n);
    unit_load(p, k, unit, now);
    for (size_t j = 0; j < n; j++) {
        double *value = &t->value[first + j];
        double lowest, highest, step = grain(p, k, unit, *value, &lowest, &highest);
        double due = fmin(fmax(*value, lowest), highest);

        if (!t->touched[unit])
            assert_true(now[j] == t->last[first + j]);
        else if (!(fabs((double)now[j] - due) <= step + PRECISION * (1 + fabs(due))))
            fail_msg("%s %s[%zu][%zu] is %.9g, not %.9g", p->method->name, p->tensor[k].name, unit,
                     j, (double)now[j], due);
        if (step > 0)
            *value = (double)now[j];
        t->last[first + j] = now[j];
    }
}

static void compare_scales(struct exact_tensor *t, const struct parameters *p)
{
    const float *now = kit_tensor(p, "scale")->data;

    for (size_t unit = 0; unit < t->units; unit++) {
        double slack = t->touched[unit] ? t->slack[unit] : 0;

        if (!(fabs((double)now[unit] - t->scale[unit]) <= slack))
            fail_msg("scale[%zu] is %.9g, not %.9g", unit, (double)now[unit], t->scale[unit]);
        t->scale[unit] = (double)now[unit];
    }
}

static void compare_states(const struct exact_table *x, const struct exact_tensor *t,
                           const char *name)
{
    size_t states = t->scalar ? t->units : t->count;

    for (size_t i = 0; t->count && i < OPTIMIZER_STATES && x->s.optimizer->state[i]; i++) {
        const float *now = exact_state_of(x->t, name, x->s.optimizer->state[i]);

        for (size_t j = 0; j < states; j++)
            if (!(fabs((double)now[j] - t->state[i][j]) <=
                  PRECISION * (0.1 + fabs(t->state[i][j]))))
                fail_msg("%s.%s[%zu] is %.9g, not %.9g", name, x->s.optimizer->state[i], j,
                         (double)now[j], t->state[i][j]);
    }
}

void exact_compare(struct exact_table *x)
{
    for (size_t i = 0; i < x->t->part_count; i++)
        for (unsigned k = 0; k < METHOD_TENSORS_MAX; k++) {
            const struct parameters *p = &x->t->part[i];
            struct exact_tensor *t = &x->tensor[i][k];
            float *now;

            if (!t->value)
                continue;
            now = calloc(unit_most(p, k) + 1, sizeof *now);
            assert_non_null(now);
            for (size_t unit = 0; t->count && unit < t->units; unit++)
                compare_unit(t, p, k, unit, now);
            free(now);
            if (t->scale)
                compare_scales(t, p);
            compare_states(x, t, p->tensor[k].name);
        }
}
