/* SPDX-License-Identifier: Apache-2.0 */
/* From a part's arrays to the plan of its tensors: what is open is named in one sentence, what does
   not fit is refused by the method's own declarations. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/import/import.h"

/* The settings that nothing has told, all in one sentence. */
static enum status ask_settings(const struct part *p, struct error *e)
{
    char list[400] = "";
    size_t n = 0;

    for (size_t i = 0; i < p->method->settings_count; i++) {
        const struct setting *s = &p->method->settings[i];

        if (p->value[i].set || s->fallback || s->optional ||
            !condition_holds(p->method, p->value, s->when) || n >= sizeof list)
            continue;
        n += (size_t)snprintf(list + n, sizeof list - n, "%s--set %s=…%s%s%s", n ? ", " : "",
                              s->name, s->choices ? " (" : "", s->choices ? s->choices : "",
                              s->choices ? ")" : "");
    }
    return n ? error_set(e, ST_INVALID, "the arrays do not tell all of %s: give %s",
                         p->method->name, list)
             : ST_OK;
}

/* The type to store: the array's own if the method has it, else the first that it has. */
static enum status choose_type(struct part_source *s, const struct tensor_decl *d, struct error *e)
{
    enum dtype from = s->array->tensor.dtype;

    if (!s->typed) {
        s->wanted.dtype = from;
        if (!(d->dtypes & 1u << from))
            s->wanted.dtype = (enum dtype)__builtin_ctz(d->dtypes);
    } else if (!(d->dtypes & 1u << s->wanted.dtype)) {
        return error_set(e, ST_INVALID, "tensor \"%s\" cannot hold %s", d->name,
                         dtype_name(s->wanted.dtype));
    }
    if (!import_convertible(from, s->wanted.dtype))
        return error_set(e, ST_INVALID, "array %s holds %s; %s must be made of %s",
                         QUOTE(s->array->name), dtype_name(from), d->name,
                         dtype_name(s->wanted.dtype));
    return ST_OK;
}

/* [blocks * bx, D] or [blocks, bx * by] as blocks. */
static enum status cut_blocks(const struct part *p, struct part_source *s, struct error *e)
{
    uint64_t bx, by, cells;

    if (!part_given(p, "bx", &bx) || !part_given(p, "by", &by))
        return ST_OK; /* refused by the method */
    if (__builtin_mul_overflow(bx, by, &cells) || !cells || s->wanted.count % cells)
        return error_set(
            e, ST_INVALID, "array %s has %zu elements, which are no whole blocks of %llu x %llu",
            QUOTE(s->array->name), s->wanted.count, (unsigned long long)bx, (unsigned long long)by);
    s->wanted.rank = 3;
    s->wanted.shape[0] = s->wanted.count / cells;
    s->wanted.shape[1] = bx;
    s->wanted.shape[2] = by;
    return ST_OK;
}

static enum status plan_source(struct part *p, struct plan *plan, struct part_source *s,
                               size_t tensor, struct error *e)
{
    const struct tensor_decl *d = &p->method->tensors[tensor];
    enum status st = ST_OK;

    if (s->change == BLOCKS)
        st = cut_blocks(p, s, e);
    if (st == ST_OK)
        st = choose_type(s, d, e);
    if (st != ST_OK)
        return st;
    st = shape_match(d, &plan->size, &s->wanted, e);
    if (st != ST_OK)
        return s->array->name ? error_prefix(e, st, "array %s", QUOTE(s->array->name)) : st;
    s->wanted.bytes = s->wanted.count * dtype_size(s->wanted.dtype);
    plan->with[tensor] = true;
    plan->dtypes[tensor] = 1u << s->wanted.dtype;
    return ST_OK;
}

/* Shapes in the order of the declarations, as a loader takes them. */
static enum status plan_sources(struct part *p, struct plan *plan, struct error *e)
{
    for (size_t k = 0; k < p->method->tensors_count; k++) {
        const struct tensor_decl *d = &p->method->tensors[k];
        struct part_source *s = part_find(p, d->name);
        enum status st;

        if (!condition_holds(p->method, p->value, d->when))
            continue;
        if (!s && !(d->flags & TENSOR_OPTIONAL))
            return error_set(e, ST_INVALID, "no array is the tensor \"%s\" of %s", d->name,
                             p->method->name);
        if (s && (st = plan_source(p, plan, s, k, e)) != ST_OK)
            return st;
    }
    return ST_OK;
}

enum status part_plan(struct part *p, struct plan *plan, struct error *e)
{
    enum status st = ST_OK;

    if (p->recipe->derive)
        st = p->recipe->derive(p, e);
    if (st == ST_OK)
        st = ask_settings(p, e);
    if (st == ST_OK)
        st = settings_complete(p->method, p->value, e);
    if (st != ST_OK)
        return st;
    symbols_init(&plan->size, p->method, plan->rows, plan->dim, p->value);
    st = plan_sources(p, plan, e);
    if (st != ST_OK)
        return st;
    plan_done(plan);
    memcpy(plan->value, p->value, sizeof plan->value); /* the lists go along */
    memset(p->value, 0, sizeof p->value);
    return ST_OK;
}
