/* SPDX-License-Identifier: Apache-2.0 */
/* Which tensor of the file is which: the method's parameters by its declarations, then the few that
   any table may have. What is left over is refused. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "table/load.h"

#define SHAPE_TEXT 192 /* eight dimensions of at most 20 digits */

static const char *shape_text(char out[SHAPE_TEXT], const struct tensor *t)
{
    int n = snprintf(out, SHAPE_TEXT, "[");

    for (unsigned i = 0; i < t->rank; i++)
        n += snprintf(out + n, SHAPE_TEXT - (size_t)n, "%s%llu", i ? ", " : "",
                      (unsigned long long)t->shape[i]);
    snprintf(out + n, SHAPE_TEXT - (size_t)n, "]");
    return out;
}

static struct use *use_of(const struct loading *l, const struct file_tensor *ft)
{
    return &l->use[ft - l->t->header.tensor];
}

const struct tensor *load_parameter(const struct loading *l, const char *name)
{
    const struct file_tensor *ft = header_tensor(&l->t->header, name);

    return ft ? use_of(l, ft)->target : NULL;
}

static enum status refuse_dtype(const struct tensor *t, unsigned allowed, struct error *e)
{
    char list[128] = "";
    size_t n = 0;

    for (int d = 0; d < DT_COUNT; d++)
        if (allowed & 1u << d)
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? " or " : "",
                                  dtype_name((enum dtype)d));
    return error_set(e, ST_INVALID, "tensor %s holds %s; it must be %s", QUOTE(t->name),
                     dtype_name(t->dtype), list);
}

static enum status bind_parameter(struct loading *l, struct parameters *p, size_t place,
                                  const char *prefix, struct error *e)
{
    const struct tensor_decl *decl = &p->method->tensors[place];
    bool due = condition_holds(p->method, p->value, decl->when);
    const struct file_tensor *ft;
    char name[256]; /* names of the file are no longer */
    struct use *use;

    if (!due) /* another declaration may want the name, else it is left over */
        return ST_OK;
    snprintf(name, sizeof name, "%s%s", prefix, decl->name);
    ft = header_tensor(&l->t->header, name);
    if (!ft && !(decl->flags & TENSOR_OPTIONAL))
        return error_set(e, ST_INVALID, "tensor \"%s\" is missing", name);
    if (!ft)
        return ST_OK;
    /* parameters_check() would say so too, but only after the whole file was read. */
    if (!(decl->dtypes & 1u << ft->tensor.dtype))
        return refuse_dtype(&ft->tensor, decl->dtypes, e);
    p->tensor[place] = ft->tensor;
    use = use_of(l, ft);
    use->role = USE_PARAMETER;
    use->flags = decl->flags;
    use->target = &p->tensor[place];
    return ST_OK;
}

/* A tensor that any table may have, with one dimension. */
static enum status bind_extra(struct loading *l, const struct file_tensor *ft, enum use_role role,
                              enum dtype dtype, const char *symbol, uint64_t size, unsigned flags,
                              struct error *e)
{
    const struct tensor *t = &ft->tensor;
    char shape[SHAPE_TEXT];

    if (t->dtype != dtype)
        return refuse_dtype(t, 1u << dtype, e);
    if (t->rank != 1 || t->shape[0] != size)
        return error_set(e, ST_INVALID, "tensor \"%s\" has the shape %s; it must be [%s = %llu]",
                         t->name, shape_text(shape, t), symbol, (unsigned long long)size);
    use_of(l, ft)->role = role;
    use_of(l, ft)->flags = flags;
    return ST_OK;
}

static bool same_shape(const struct tensor *a, const struct tensor *b)
{
    return a->rank == b->rank && !memcmp(a->shape, b->shape, a->rank * sizeof a->shape[0]);
}

/* Whether a parameter has `n` units, which are not its first dimension: the rows of its blocks, or
   those of a sparse table. How many there must be is counted when the table is to be trained. */
static bool has_rows(const struct loading *l, const struct tensor *parameter, uint64_t n)
{
    if (parameter->rank == 3 && parameter->count && n == parameter->count / parameter->shape[2])
        return true;
    for (size_t i = 0; i < l->t->part_count; i++) {
        const struct parameters *p = &l->t->part[i];
        size_t k = (size_t)(parameter - p->tensor);

        if (parameter >= p->tensor && k < p->method->tensors_count)
            return p->method->tensors[k].flags & TENSOR_BY_ROW && n == p->rows;
    }
    return false;
}

/* optimizer.<tensor>.<state>, where the state is the part after the last dot. */
static enum status bind_state(struct loading *l, const struct file_tensor *ft, struct error *e)
{
    const struct tensor *t = &ft->tensor, *parameter;
    const char *name = t->name + strlen("optimizer."), *dot = strrchr(name, '.');
    char owner[256], shape[SHAPE_TEXT];
    bool sum, moment;

    if (!dot)
        return error_set(e, ST_INVALID, "tensor %s is not named optimizer.<tensor>.<state>",
                         QUOTE(t->name));
    snprintf(owner, sizeof owner, "%.*s", (int)(dot - name), name);
    sum = !strcmp(dot, ".sum");
    moment = !strcmp(dot, ".m") || !strcmp(dot, ".v");
    if (!sum && !moment)
        return error_set(e, ST_INVALID, "tensor %s has an unknown state; it must be sum, m or v",
                         QUOTE(t->name));
    parameter = load_parameter(l, owner);
    if (!parameter)
        return error_set(e, ST_INVALID, "tensor %s is the state of a tensor that is not there",
                         QUOTE(t->name));
    if (t->dtype != DT_F32)
        return refuse_dtype(t, DT(F32), e);
    if (!same_shape(t, parameter) &&
        !(sum && t->rank == 1 && parameter->rank > 0 &&
          (t->shape[0] == parameter->shape[0] || has_rows(l, parameter, t->shape[0]))))
        return error_set(e, ST_INVALID, "tensor %s has the shape %s; it must be that of %s%s",
                         QUOTE(t->name), shape_text(shape, t), QUOTE(owner),
                         sum ? " or one number a row" : "");
    use_of(l, ft)->role = USE_STATE;
    use_of(l, ft)->flags = strcmp(dot, ".m") ? TENSOR_NONNEGATIVE : 0; /* sums of squares */
    return ST_OK;
}

/* A tensor that nothing asks for. It may be one that other settings would ask for. */
static enum status refuse_unknown(const struct loading *l, const char *name, struct error *e)
{
    const struct parameters *p = l->t->part;

    for (size_t k = 0; !l->per_field && k < p->method->tensors_count; k++)
        if (!strcmp(p->method->tensors[k].name, name))
            return error_set(e, ST_INVALID, "tensor \"%s\" goes with %s only", name,
                             p->method->tensors[k].when);
    return error_set(e, ST_INVALID, "tensor %s is not known to the method %s%s", QUOTE(name),
                     l->t->method->name,
                     l->per_field ? " (with per_field, names begin with f0., f1., …)" : "");
}

static enum status bind_rest(struct loading *l, const struct file_tensor *ft, struct error *e)
{
    const char *name = ft->tensor.name;
    struct table *t = l->t;

    if (!strcmp(name, "keys"))
        return bind_extra(l, ft, USE_KEYS, DT_I64, "N", t->rows, 0, e);
    if (!strcmp(name, "touched"))
        return bind_extra(l, ft, USE_TOUCHED, DT_I64, "N", t->rows, 0, e);
    if (!strcmp(name, "default"))
        return bind_extra(l, ft, USE_DEFAULT, DT_F32, "D", t->dim, 0, e);
    if (!strcmp(name, "frequency"))
        return bind_extra(l, ft, USE_FREQUENCY, DT_I64, "N", t->rows, TENSOR_NONNEGATIVE, e);
    if (!strncmp(name, "optimizer.", strlen("optimizer.")))
        return bind_state(l, ft, e);
    return refuse_unknown(l, name, e);
}

static enum status settle_ids(struct loading *l, struct error *e)
{
    bool keys = header_tensor(&l->t->header, "keys") != NULL;

    if (!l->ids_given)
        l->t->ids = keys ? IDS_KEYS : IDS_ROWS;
    if (keys && l->t->ids != IDS_KEYS)
        return error_set(e, ST_INVALID, "embd.ids is %s, but the file has the tensor \"keys\"",
                         l->t->ids == IDS_HASH ? "hash" : "rows");
    if (!keys && l->t->ids == IDS_KEYS)
        return error_set(e, ST_INVALID, "tensor \"keys\" is missing (embd.ids is keys)");
    return ST_OK;
}

/* Whether a table with the tensor `touched` may grow. */
static enum status settle_growth(struct loading *l, struct error *e)
{
    struct table *t = l->t;

    t->grows = header_tensor(&t->header, "touched") != NULL;
    if (t->grows && t->ids != IDS_KEYS)
        return error_set(e, ST_INVALID,
                         "tensor \"touched\" goes with the tensor \"keys\", which is not there");
    if (!t->grows && header_metadata(&t->header, "embd.deviation"))
        return error_set(e, ST_INVALID, "embd.deviation goes with the tensor \"touched\" only");
    return t->grows ? table_may_grow(t->method, t->field_count, e) : ST_OK;
}

enum status load_bind(struct loading *l, struct error *e)
{
    struct table *t = l->t;
    enum status st = ST_OK;
    char prefix[32] = "";

    l->use = mem_zero(t->header.tensor_count, sizeof *l->use);
    if (!l->use)
        return error_memory(e, "tensors");
    for (size_t i = 0; i < t->part_count; i++) {
        if (l->per_field)
            snprintf(prefix, sizeof prefix, "f%zu.", i);
        for (size_t k = 0; st == ST_OK && k < t->part[i].method->tensors_count; k++)
            st = bind_parameter(l, &t->part[i], k, prefix, e);
    }
    for (size_t i = 0; st == ST_OK && i < t->header.tensor_count; i++)
        if (l->use[i].role == USE_NONE)
            st = bind_rest(l, &t->header.tensor[i], e);
    if (st == ST_OK)
        st = settle_ids(l, e);
    if (st == ST_OK)
        st = settle_growth(l, e);
    return st;
}
