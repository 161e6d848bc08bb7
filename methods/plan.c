/* SPDX-License-Identifier: Apache-2.0 */
/* From a budget to settings and sizes: what all methods share. */
#include "methods/plan.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

static enum status refuse(struct plan *plan, const char *verb, const char *when, uint64_t need,
                          struct error *e)
{
    char bytes[32], rows[32], budget[32];

    plan->need = need;
    return error_set(e, ST_INVALID, "%s %s %s for %s x %" PRIu32 "%s; the budget is %s",
                     plan->method->name, verb, format_bytes(bytes, need),
                     format_count(rows, plan->rows), plan->dim, when,
                     format_bytes(budget, plan->budget));
}

enum status plan_refuse(struct plan *plan, uint64_t need, struct error *e)
{
    return refuse(plan, "needs at least", "", need, e);
}

void plan_choose(struct plan *plan, unsigned setting, int64_t i)
{
    struct value *v = &plan->value[setting];

    if (!v->set)
        *v = (struct value){.set = true, .i = i};
}

enum status plan_size(struct plan *plan, const char *name, uint64_t size, struct error *e)
{
    uint64_t there;

    if (symbols_get(&plan->size, name, strlen(name), &there))
        return ST_OK;
    return symbols_set(&plan->size, name, strlen(name), size, e);
}

bool plan_has(const struct plan *plan, size_t tensor)
{
    const struct tensor_decl *d = &plan->method->tensors[tensor];

    return (!(d->flags & TENSOR_OPTIONAL) || plan->with[tensor]) &&
           condition_holds(plan->method, plan->value, d->when);
}

/* All names that shapes may refer to: those of the settings and those that the plan chose. */
static enum status plan_symbols(const struct plan *plan, struct symbols *s, struct error *e)
{
    enum status st;

    symbols_init(s, plan->method, plan->rows, plan->dim, plan->value);
    for (size_t i = 0; i < plan->size.count; i++) {
        const char *name = plan->size.entry[i].name;

        if ((st = symbols_set(s, name, strlen(name), plan->size.entry[i].size, e)) != ST_OK)
            return st;
    }
    return ST_OK;
}

static enum status plan_tensor(const struct plan *plan, size_t tensor, const struct symbols *s,
                               struct tensor *t, struct error *e)
{
    const struct tensor_decl *d = &plan->method->tensors[tensor];
    unsigned chosen = plan->dtypes[tensor];

    memset(t, 0, sizeof *t);
    t->name = d->name;
    t->dtype = (enum dtype)__builtin_ctz(chosen ? chosen : d->dtypes);
    return shape_evaluate(d, s, t, e);
}

enum status plan_bytes(const struct plan *plan, uint64_t *bytes, struct error *e)
{
    const struct method *m = plan->method;
    struct symbols symbols;
    uint64_t total = 0;
    enum status st;

    if ((st = plan_symbols(plan, &symbols, e)) != ST_OK)
        return st;
    for (size_t i = 0; i < m->tensors_count; i++) {
        struct tensor t;

        if (!plan_has(plan, i))
            continue;
        if ((st = plan_tensor(plan, i, &symbols, &t, e)) != ST_OK)
            return st;
        if (__builtin_add_overflow(total, t.bytes, &total))
            return error_set(e, ST_EXHAUSTED, "%s would be larger than memory", m->name);
    }
    *bytes = total;
    return ST_OK;
}

enum status plan_make(struct plan *plan, struct error *e)
{
    const struct method *m = plan->method;
    bool chosen = false; /* the caller has decided something */
    enum status st;
    uint64_t bytes;

    if (plan->dim < 1 || plan->dim > METHOD_DIM_MAX)
        return error_set(e, ST_INVALID, "the dimension must be from 1 to %d, not %" PRIu32,
                         METHOD_DIM_MAX, plan->dim);
    if (plan->rows > INT64_MAX)
        return error_set(e, ST_INVALID, "a table has at most 2^63 - 1 rows");
    for (size_t i = 0; i < m->settings_count; i++)
        chosen = chosen || plan->value[i].set;
    if (m->plan && (st = m->plan(plan, e)) != ST_OK)
        return st;
    if ((st = settings_complete(m, plan->value, e)) != ST_OK ||
        (st = plan_bytes(plan, &bytes, e)) != ST_OK)
        return st;
    if (!plan->budget || bytes <= plan->budget)
        return ST_OK;
    if (chosen)
        return refuse(plan, "needs", " with these settings", bytes, e);
    return plan_refuse(plan, bytes, e);
}

void plan_done(struct plan *plan)
{
    for (size_t i = 0; i < METHOD_SETTINGS_MAX; i++) {
        mem_free(plan->value[i].list);
        plan->value[i].list = NULL;
    }
    if (plan->found_done && plan->found)
        plan->found_done(plan->found);
    plan->found = NULL;
}

enum status plan_parameters(const struct plan *plan, struct parameters *p, struct error *e)
{
    const struct method *m = plan->method;
    struct parameters made = {.method = m,
                              .rows = plan->rows,
                              .dim = plan->dim,
                              .of_field = plan->of_field,
                              .fields = plan->fields};
    struct symbols symbols;
    enum status st;

    if ((st = plan_symbols(plan, &symbols, e)) != ST_OK)
        return st;
    for (size_t i = 0; i < m->tensors_count; i++)
        if (plan_has(plan, i) && (st = plan_tensor(plan, i, &symbols, &made.tensor[i], e)) != ST_OK)
            return st;
    memcpy(made.value, plan->value, sizeof made.value);
    for (size_t i = 0; i < METHOD_SETTINGS_MAX; i++)
        made.value[i].list = NULL;
    for (size_t i = 0; i < m->settings_count; i++) {
        const struct value *v = &plan->value[i];

        if (!v->list)
            continue;
        if (!(made.value[i].list = mem_zero(v->n, sizeof *v->list))) {
            parameters_done(&made);
            return error_memory(e, m->settings[i].name);
        }
        memcpy(made.value[i].list, v->list, v->n * sizeof *v->list);
    }
    *p = made;
    return ST_OK;
}
