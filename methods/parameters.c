/* SPDX-License-Identifier: Apache-2.0 */
/* One method's parameters as a whole: held against the declarations, counted, released. */
#include "methods/method.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

/* "U8 or I8" */
static void types_text(char *out, size_t size, unsigned dtypes)
{
    size_t used = 0;

    out[0] = '\0';
    for (int d = 0; d < DT_COUNT && used < size; d++)
        if (dtypes & 1u << d)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? " or " : "",
                                     dtype_name((enum dtype)d));
}

static enum status tensor_check(const struct parameters *p, size_t i, struct symbols *symbols,
                                struct error *e)
{
    const struct tensor_decl *d = &p->method->tensors[i];
    const struct tensor *t = &p->tensor[i];
    const char *name = t->name ? t->name : d->name;
    char types[100];

    if (!condition_holds(p->method, p->value, d->when)) {
        if (t->data)
            return error_set(e, ST_INVALID, "tensor \"%s\" goes with %s only", name, d->when);
        return ST_OK;
    }
    if (!t->data) {
        if (d->flags & TENSOR_OPTIONAL)
            return ST_OK;
        return error_set(e, ST_INVALID, "tensor \"%s\" is missing", name);
    }
    if (!(d->dtypes & 1u << t->dtype)) {
        types_text(types, sizeof types, d->dtypes);
        return error_set(e, ST_INVALID, "tensor \"%s\" holds %s; it must be %s", name,
                         dtype_name(t->dtype), types);
    }
    return shape_match(d, symbols, t, e);
}

enum status parameters_check(struct parameters *p, struct error *e)
{
    struct symbols symbols;
    enum status st;

    symbols_init(&symbols, p->method, p->rows, p->dim, p->value);
    for (size_t i = 0; i < p->method->tensors_count; i++)
        if ((st = tensor_check(p, i, &symbols, e)) != ST_OK)
            return st;
    p->pool_first = false;
    return p->method->check ? p->method->check(p, e) : ST_OK;
}

void parameters_done(struct parameters *p)
{
    if (p->method && p->method->release && p->state)
        p->method->release(p);
    p->state = NULL;
    mem_free(p->kept);
    p->kept = NULL;
    p->kept_bytes = 0;
    for (size_t i = 0; i < METHOD_SETTINGS_MAX; i++) {
        mem_free(p->value[i].list);
        p->value[i].list = NULL;
    }
}

size_t field_of(const struct fields *f, uint64_t row)
{
    size_t low = 0, high = f->count;

    /* The last field that begins at or before the row; empty ones before it begin there too. */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (f->first[middle] <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}

uint64_t parameters_bytes(const struct parameters *p)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < p->method->tensors_count; i++)
        bytes += p->tensor[i].bytes;
    return bytes;
}

uint64_t parameters_work(const struct parameters *p)
{
    return p->method->work ? p->method->work(p) : 0;
}
