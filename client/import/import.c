/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a table, their rows and columns, the layout, and the filling. */
#include "client/import/import.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

/* ---- Rows and columns ---- */

static enum status open_parts(struct import *in, const struct recipe *recipe,
                              const struct import_wish *w, size_t fields, struct error *e)
{
    const struct recipe *full = recipe_of_full(recipe->source);
    const struct method *method;
    enum status st = recipe_method(&method, recipe, in->arrays, e);

    in->parts = fields ? fields : 1;
    if (st == ST_OK && fields && !method->per_field)
        st = error_set(e, ST_INVALID, "the arrays are of %zu fields, and %s has one set for all",
                       fields, method->name);
    if (st == ST_OK && !(in->part = mem_zero(in->parts, sizeof *in->part)))
        st = error_memory(e, "fields");
    for (size_t i = 0; st == ST_OK && i < in->parts; i++) {
        struct part *p = &in->part[i];

        *p = (struct part){
            .recipe = recipe, .method = method, .wish = w, .field = fields ? (long)i : -1};
        if (recipe_has_field(recipe, in->arrays, p->field)) {
            st = begin_settings(p->value, method, w->setting, w->settings, e);
        } else if (recipe_has_field(full, in->arrays, p->field)) {
            p->recipe = full;
            p->method = method_find("full", 4);
        } else {
            return error_set(e, ST_INVALID, "there is no array of field %zu", i);
        }
        if (st == ST_OK)
            st = part_open(p, in->arrays, e);
    }
    return st;
}

/* What the user says of a part's rows must be what the arrays say. */
static enum status settle_rows(struct import *in, const struct import_wish *w, uint64_t *total,
                               struct error *e)
{
    bool each = in->part[0].field >= 0;

    if (each && w->fields && w->fields != in->parts)
        return error_set(e, ST_INVALID, "the arrays are of %zu fields, --fields names %zu",
                         in->parts, w->fields);
    *total = 0;
    for (size_t i = 0; i < in->parts; i++) {
        struct part *p = &in->part[i];
        uint64_t said = each            ? (w->fields ? w->field[i] : ROWS_UNKNOWN)
                        : w->rows_given ? w->rows
                                        : ROWS_UNKNOWN;

        if (p->rows == ROWS_UNKNOWN)
            p->rows = said;
        if (p->rows == ROWS_UNKNOWN)
            return error_set(e, ST_INVALID, "the arrays do not tell how many rows%s: give %s",
                             each ? " each field has" : " there are", each ? "--fields" : "--rows");
        if (said != ROWS_UNKNOWN && p->rows != said)
            return error_set(e, ST_INVALID, "the arrays%s have %" PRIu64 " rows; %s says %" PRIu64,
                             each ? " of a field" : "", p->rows, w->fields ? "--fields" : "--rows",
                             said);
        if (p->rows > INT64_MAX || __builtin_add_overflow(*total, p->rows, total))
            return error_set(e, ST_INVALID, "a table has at most 2^63 - 1 rows");
    }
    if (w->rows_given && w->rows != *total)
        return error_set(e, ST_INVALID, "the arrays have %" PRIu64 " rows; %s says %" PRIu64,
                         *total, w->fields ? "--fields" : "--rows", w->rows);
    return ST_OK;
}

static enum status settle_dim(struct import *in, const struct import_wish *w, uint32_t *dim,
                              struct error *e)
{
    *dim = w->dim;
    for (size_t i = 0; !*dim && i < in->parts; i++)
        *dim = in->part[i].dim;
    if (!*dim)
        return error_set(e, ST_INVALID, "the arrays do not tell how long a row is: give --dim");
    for (size_t i = 0; i < in->parts; i++) {
        struct part *p = &in->part[i];

        if (p->dim && p->dim != *dim && w->dim)
            return error_set(e, ST_INVALID,
                             "the arrays have rows of %" PRIu32 " columns; --dim says %" PRIu32,
                             p->dim, w->dim);
        if (p->dim && p->dim != *dim)
            return error_set(e, ST_INVALID,
                             "field %zu has rows of %" PRIu32 " columns, another one of %" PRIu32,
                             i, p->dim, *dim);
        p->dim = *dim;
    }
    return ST_OK;
}

/* ---- The layout ---- */

static enum status lay_out(struct import *in, const struct import_wish *w, uint64_t rows,
                           uint32_t dim, struct error *e)
{
    bool each = in->part[0].field >= 0;
    const struct method *method = NULL;
    const struct value *value = NULL;
    struct fields fields = {0};
    uint64_t *field = NULL;
    size_t count = each ? in->parts : w->fields;
    enum status st = ST_OK;

    for (size_t i = 0; i < in->parts && !value; i++)
        if (in->part[i].recipe->method && !recipe_is_full(in->part[i].recipe)) {
            method = in->part[i].method;
            value = in->part[i].value;
        }
    if (!method)
        method = in->part[0].method;
    if (count) {
        field = mem_zero(count, sizeof *field);
        if (!field)
            return error_memory(e, "fields");
        for (size_t i = 0; i < count; i++)
            field[i] = each ? in->part[i].rows : w->field[i];
        st = begin_fields(&in->first, field, count, rows, e);
        mem_free(field);
        fields = (struct fields){in->first, count};
    }
    if (st == ST_OK)
        st = layout_open(&in->layout, method, rows, dim, each ? &fields : NULL, 0, value, e);
    if (st == ST_OK && each && in->layout.part_count != in->parts)
        return error_set(e, ST_INVALID, "%s cannot have settings for each field", method->name);
    if (st == ST_OK && !each && count) {
        in->layout.fields = fields;
        in->layout.part[0].fields = fields;
    }
    for (size_t i = 0; st == ST_OK && i < in->parts; i++) {
        struct part *p = &in->part[i];

        if (p->method != in->layout.part[i].method)
            layout_full(&in->layout, i);
        st = part_plan(p, &in->layout.part[i], e);
        if (st != ST_OK && each)
            error_prefix(e, st, "field %zu", i);
    }
    return st;
}

enum status import_open(struct import *in, struct arrays *a, const struct import_wish *w,
                        struct error *e)
{
    const struct recipe *recipe = NULL;
    uint64_t rows = 0;
    uint32_t dim = 0;
    enum status st;

    *in = (struct import){.arrays = a};
    st = recipe_find(&recipe, a, w->source, w->method, e);
    if (st == ST_OK)
        st = open_parts(in, recipe, w, recipe_fields(recipe, a), e);
    if (st == ST_OK)
        st = settle_rows(in, w, &rows, e);
    if (st == ST_OK)
        st = settle_dim(in, w, &dim, e);
    return st == ST_OK ? lay_out(in, w, rows, dim, e) : st;
}

void import_close(struct import *in)
{
    for (size_t i = 0; in->part && i < in->parts; i++)
        part_close(&in->part[i]);
    mem_free(in->part);
    layout_done(&in->layout);
    mem_free(in->first);
    *in = (struct import){0};
}

/* ---- Filling ---- */

struct share {
    const struct import *in;
    double from, part;
};

static bool tell(void *context, double done)
{
    const struct share *s = context;

    return !s->in->progress || s->in->progress(s->in->context, s->from + s->part * done);
}

enum status import_fill(void *context, struct parameters *part, size_t parts, struct error *e)
{
    struct import *in = context;
    struct share share = {.in = in};
    double total = 1;
    enum status st;

    for (size_t i = 0; i < parts; i++)
        total += (double)parameters_bytes(&part[i]);
    for (size_t i = 0; i < parts; i++)
        for (size_t k = 0; k < part[i].method->tensors_count; k++) {
            struct tensor *to = &part[i].tensor[k];
            const struct part_source *from =
                to->data ? part_find(&in->part[i], part[i].method->tensors[k].name) : NULL;

            if (!from)
                continue;
            share.part = (double)to->bytes / total;
            st = import_copy(to, from, tell, &share, e);
            if (st != ST_OK)
                return from->array->name && st != ST_CANCELLED
                           ? error_prefix(e, st, "array %s", QUOTE(from->array->name))
                           : st;
            share.from += share.part;
        }
    return arrays_damaged(in->arrays)
               ? error_set(e, ST_DATA_LOSS, "an array became shorter while it was read")
               : ST_OK;
}
