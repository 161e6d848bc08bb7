/* SPDX-License-Identifier: Apache-2.0 */
/* A table's plan, field by field. One thread. */
#include "methods/plan.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"

#define HALVINGS 60 /* of the common ratio */

static uint64_t full_bytes(const struct plan *part)
{
    return part->rows * part->dim * sizeof(float); /* of an array that is in memory or in a file */
}

static enum status copy_settings(struct plan *part, const struct value *chosen, struct error *e)
{
    for (size_t i = 0; chosen && i < part->method->settings_count; i++) {
        part->value[i] = chosen[i];
        part->value[i].list = NULL;
        if (!chosen[i].list)
            continue;
        part->value[i].list = mem_zero(chosen[i].n, sizeof *chosen[i].list);
        if (!part->value[i].list)
            return error_memory(e, "settings");
        memcpy(part->value[i].list, chosen[i].list, chosen[i].n * sizeof *chosen[i].list);
    }
    return ST_OK;
}

enum status layout_open(struct layout *l, const struct method *m, uint64_t rows, uint32_t dim,
                        const struct fields *fields, uint64_t budget, const struct value *chosen,
                        struct error *e)
{
    enum status st = ST_OK;
    uint64_t total;

    *l = (struct layout){.method = m, .rows = rows, .dim = dim, .budget = budget, .part_count = 1};
    if (dim < 1 || dim > METHOD_DIM_MAX)
        return error_set(e, ST_INVALID, "the dimension must be from 1 to %d, not %lu",
                         METHOD_DIM_MAX, (unsigned long)dim);
    if (rows > INT64_MAX || __builtin_mul_overflow(rows, (uint64_t)dim * sizeof(float), &total))
        return error_set(e, ST_INVALID, "a table of %llu x %lu is larger than any memory",
                         (unsigned long long)rows, (unsigned long)dim);
    if (fields && fields->count) {
        l->fields = *fields;
        l->per_field = m->per_field && !(chosen && m->per_field_unless &&
                                         condition_holds(m, chosen, m->per_field_unless));
        if (l->per_field)
            l->part_count = fields->count;
    }
    l->part = mem_zero(l->part_count, sizeof *l->part);
    if (!l->part)
        return error_memory(e, "plan");
    for (size_t i = 0; st == ST_OK && i < l->part_count; i++) {
        struct plan *part = &l->part[i];

        part->method = m;
        part->dim = dim;
        part->rows = l->per_field ? fields->first[i + 1] - fields->first[i] : rows;
        part->of_field = l->per_field;
        if (!l->per_field)
            part->fields = l->fields;
        st = copy_settings(part, chosen, e);
    }
    return st;
}

void layout_full(struct layout *l, size_t part)
{
    struct plan *p = &l->part[part], full = {.rows = p->rows, .dim = p->dim, .of_field = true};

    plan_done(p);
    full.method = method_find("full", 4);
    *p = full;
}

/* What a field takes with this budget, or with the least it can be held to, or left full. The lists
   of the settings are borrowed, so only what the trial adds is released. */
static uint64_t trial(const struct plan *part, uint64_t budget, bool *full)
{
    uint64_t bytes = 0, most = full_bytes(part);
    struct plan p;

    *full = true;
    for (int turn = 0; turn < 2; turn++) {
        enum status st;

        p = *part;
        p.found = NULL;
        p.budget = budget ? budget : 1;
        st = plan_make(&p, NULL);
        if (st == ST_OK)
            st = plan_bytes(&p, &bytes, NULL);
        for (size_t i = 0; i < METHOD_SETTINGS_MAX; i++)
            if (p.value[i].list != part->value[i].list)
                mem_free(p.value[i].list);
        if (st == ST_OK) {
            *full = bytes >= most && part->rows;
            return *full ? most : bytes;
        }
        if (p.need <= budget || p.need >= most)
            return most;
        budget = p.need;
    }
    return most;
}

static uint64_t share_of(const struct plan *part, double ratio)
{
    return (uint64_t)((double)full_bytes(part) * ratio);
}

static uint64_t total_at(const struct layout *l, double ratio)
{
    uint64_t total = 0;
    bool full;

    for (size_t i = 0; i < l->part_count; i++)
        total += trial(&l->part[i], share_of(&l->part[i], ratio), &full);
    return total;
}

enum status layout_refuse(const struct layout *l, uint64_t need, struct error *e)
{
    char bytes[32], rows[32], budget[32];

    return error_set(e, ST_INVALID,
                     "%s needs at least %s for %s x %lu in %zu fields; the budget is %s",
                     l->method->name, format_bytes(bytes, need), format_count(rows, l->rows),
                     (unsigned long)l->dim, l->part_count, format_bytes(budget, l->budget));
}

/* One ratio for all fields, the largest that the budget allows. */
static enum status share_evenly(struct layout *l, struct error *e)
{
    double low = 0, high = 1;
    uint64_t least;

    if (total_at(l, high) <= l->budget) {
        low = high;
    } else if ((least = total_at(l, low)) > l->budget) {
        return layout_refuse(l, least, e);
    } else {
        for (int i = 0; i < HALVINGS && high - low > 1e-15; i++) {
            double middle = low + (high - low) / 2;

            if (total_at(l, middle) <= l->budget)
                low = middle;
            else
                high = middle;
        }
    }
    for (size_t i = 0; i < l->part_count; i++) {
        uint64_t budget = share_of(&l->part[i], low), bytes;
        bool full;

        bytes = trial(&l->part[i], budget, &full);
        if (full)
            layout_full(l, i);
        else
            l->part[i].budget = bytes > budget || !budget ? bytes : budget;
    }
    return ST_OK;
}

static enum status make_fields(struct layout *l, struct error *e)
{
    enum status st = ST_OK;
    uint64_t bytes;

    if (l->budget)
        st = l->method->share ? l->method->share(l, e) : share_evenly(l, e);
    for (size_t i = 0; st == ST_OK && i < l->part_count; i++) {
        struct plan *part = &l->part[i];

        if (part->method->plan || part->method->settings_count)
            st = plan_make(part, e);
        if (st == ST_OK)
            st = plan_bytes(part, &bytes, e);
        if (st == ST_OK && part->rows && bytes >= full_bytes(part) && !l->method->keeps_fields)
            layout_full(l, i);
        if (st != ST_OK)
            st = error_prefix(e, st, "field %zu", i);
    }
    if (st == ST_OK)
        st = layout_bytes(l, &bytes, e);
    return st == ST_OK && l->budget && bytes > l->budget ? layout_refuse(l, bytes, e) : st;
}

enum status layout_make(struct layout *l, struct error *e)
{
    if (l->per_field)
        return make_fields(l, e);
    l->part[0].budget = l->budget;
    return plan_make(&l->part[0], e);
}

enum status layout_bytes(const struct layout *l, uint64_t *bytes, struct error *e)
{
    uint64_t total = 0, own;

    for (size_t i = 0; i < l->part_count; i++) {
        enum status st = plan_bytes(&l->part[i], &own, e);

        if (st != ST_OK)
            return st;
        total += own;
    }
    *bytes = total;
    return ST_OK;
}

double layout_author_words(const struct layout *l)
{
    double words = 0;

    for (size_t i = 0; i < l->part_count; i++) {
        const struct plan *part = &l->part[i];

        if (part->method->author_words)
            words += part->method->author_words(part);
        else if (part->method == l->method)
            return -1;
        else
            words += (double)part->rows * part->dim;
    }
    return words;
}

void layout_done(struct layout *l)
{
    for (size_t i = 0; l->part && i < l->part_count; i++)
        plan_done(&l->part[i]);
    mem_free(l->part);
    *l = (struct layout){0};
}
