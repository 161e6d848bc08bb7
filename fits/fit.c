/* SPDX-License-Identifier: Apache-2.0 */
/* The list of fitters, made from METHODS in Makefile.am, and a whole table's fit from those of its
   parts. One thread. */
#include "fits/fit.h"

#include <string.h>

#define METHOD(name) extern const struct fitter fitter_##name;
#include "methods/methods.def"
#undef METHOD
#define METHOD(name) extern const struct method method_##name;
#include "methods/methods.def"
#undef METHOD

const struct fitter *fitter_find(const struct method *m)
{
#define METHOD(name)                                                                               \
    if (m == &method_##name)                                                                       \
        return &fitter_##name;
#include "methods/methods.def"
#undef METHOD
    return NULL;
}

int fit_option(const struct method *m, const char *name, size_t n)
{
    const struct fitter *f = fitter_find(m);

    for (size_t i = 0; f && i < f->options_count; i++)
        if (strlen(f->options[i].name) == n && memcmp(f->options[i].name, name, n) == 0)
            return (int)i;
    return -1;
}

enum status fit_option_set(struct fit *f, const struct method *m, int option, const char *text,
                           struct error *e)
{
    const struct setting *s = &fitter_find(m)->options[option];
    struct value value;
    enum status st = setting_parse(s, text, &value, e);

    if (st != ST_OK)
        return st;
    if (strcmp(s->name, "seconds") == 0) {
        if (value.r <= 0)
            return error_set(e, ST_INVALID, "seconds must be above 0, not %g", value.r);
        f->seconds = value.r;
    }
    f->option[option] = value;
    return ST_OK;
}

enum status fit_progress(const struct fit *f, double done, struct error *e)
{
    if (f->progress && !f->progress(f->context, done))
        return error_set(e, ST_CANCELLED, "stopped");
    return ST_OK;
}

enum status fit_layout(const struct fit *fit, struct layout *l, struct error *e)
{
    const struct fitter *f = fitter_find(l->method);
    enum status st = ST_OK;

    if (f->study)
        st = f->study(fit, l, e);
    return st == ST_OK ? layout_make(l, e) : st;
}

static enum status read_part(void *context, uint64_t first, size_t n, float *out, struct error *e)
{
    const struct fit_part *part = context;

    return part->whole->read(part->whole->context, part->first + first, n, out, e);
}

static bool tell_part(void *context, double done)
{
    const struct fit_part *part = context;

    return !part->whole->progress ||
           part->whole->progress(part->whole->context, part->from + (part->to - part->from) * done);
}

void fit_part_init(struct fit_part *part, const struct fit *whole, uint64_t first, uint64_t rows,
                   double from, double to)
{
    *part =
        (struct fit_part){.fit = *whole, .whole = whole, .first = first, .from = from, .to = to};
    part->fit.rows = rows;
    part->fit.read = read_part;
    part->fit.progress = tell_part;
    part->fit.context = part;
    part->fit.seconds = whole->seconds * (to - from);
    part->fit.weight = whole->weight ? whole->weight + first : NULL;
}

enum status fit_parameters(const struct fit *fit, const struct layout *l, struct parameters *part,
                           struct error *e)
{
    double rows = fit->rows ? (double)fit->rows : 1;
    enum status st = ST_OK;
    uint64_t first = 0;

    for (size_t i = 0; st == ST_OK && i < l->part_count; first += part[i++].rows) {
        struct fit_part own;

        fit_part_init(&own, fit, first, part[i].rows, (double)first / rows,
                      (double)(first + part[i].rows) / rows);
        own.fit.found = l->part[i].found;
        st = fitter_find(part[i].method)->fit(&own.fit, &part[i], e);
        if (st != ST_OK && l->per_field)
            st = error_prefix(e, st, "field %zu", i);
    }
    return st;
}

enum status fit_fill(void *filling, struct parameters *part, size_t parts, struct error *e)
{
    struct fit_filling *f = filling;
    const struct layout *l = f->layout;
    enum status st = ST_OK;

    if (f->fit->rows != l->rows || f->fit->dim != l->dim)
        return error_set(e, ST_INVALID,
                         "the table to fit has %llu rows of %lu; the plan is for %llu of %lu",
                         (unsigned long long)f->fit->rows, (unsigned long)f->fit->dim,
                         (unsigned long long)l->rows, (unsigned long)l->dim);
    st = fit_parameters(f->fit, l, part, e);
    for (size_t i = 0; st == ST_OK && i < parts; i++)
        st = parameters_check(&part[i], e);
    return st == ST_OK ? fit_measure(f->fit, part, parts, &f->error, e) : st;
}
