/* SPDX-License-Identifier: Apache-2.0 */
/* A table's plan, field by field. One thread. */
#include "methods/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

#define HALVINGS 60 /* of the common ratio */

static uint64_t full_bytes(const struct plan *part)
{
    return part->rows * part->dim * sizeof(float); /* of an array that is in memory or in a file */
}

/* The settings of part `place`. */
static enum status copy_settings(struct layout *l, size_t place, const struct value *chosen,
                                 struct error *e)
{
    struct plan *part = &l->part[place];

    for (size_t i = 0; chosen && i < part->method->settings_count; i++) {
        const struct setting *s = &part->method->settings[i];
        const int64_t *list = chosen[i].list;
        size_t n = chosen[i].n;

        if (chosen[i].set && s->by_field && l->per_field) {
            if (n != l->part_count)
                return error_set(e, ST_INVALID,
                                 "%s has %zu entries; it must have one for each field, which are "
                                 "%zu",
                                 s->name, n, l->part_count);
            list += place;
            n = 1;
        }
        part->value[i] = chosen[i];
        part->value[i].list = NULL;
        part->value[i].n = n;
        if (!chosen[i].list)
            continue;
        part->value[i].list = mem_zero(n, sizeof *list);
        if (!part->value[i].list)
            return error_memory(e, "settings");
        memcpy(part->value[i].list, list, n * sizeof *list);
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
        st = copy_settings(l, i, chosen, e);
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

enum status layout_refuse(struct layout *l, uint64_t need, struct error *e)
{
    char bytes[32], rows[32], budget[32], fields[48] = "";

    l->need = need;
    if (l->fields.count)
        snprintf(fields, sizeof fields, " in %zu field%s", l->fields.count,
                 l->fields.count == 1 ? "" : "s");
    return error_set(e, ST_INVALID, "%s needs at least %s for %s x %" PRIu32 "%s; the budget is %s",
                     l->method->name, format_bytes(bytes, need), format_count(rows, l->rows),
                     l->dim, fields, format_bytes(budget, l->budget));
}

/* What a field gets. */
struct take {
    uint64_t budget, bytes;
    bool full;
};

/* A plan on trial. The lists of the settings are borrowed, so only what the plan adds is released.
   `*need` is more than 0 if the budget was too small. */
static enum status try_budget(const struct plan *part, uint64_t budget, uint64_t *bytes,
                              uint64_t *need, struct error *e)
{
    struct plan p = *part;
    enum status st;

    p.found = NULL;
    p.need = 0;
    p.budget = budget;
    st = plan_make(&p, e);
    if (st == ST_OK)
        st = plan_bytes(&p, bytes, e);
    for (size_t i = 0; i < METHOD_SETTINGS_MAX; i++)
        if (p.value[i].list != part->value[i].list)
            mem_free(p.value[i].list);
    *need = st == ST_INVALID ? p.need : 0;
    return st;
}

/* The budget if it can be kept, or else the least that can; full where that is not larger. */
static enum status take(const struct layout *l, size_t i, uint64_t budget, struct take *t,
                        struct error *e)
{
    const struct plan *part = &l->part[i];
    bool may_stay = !l->method->keeps_fields || part->method != l->method;
    uint64_t most = full_bytes(part), need;
    enum status st;

    t->budget = budget ? budget : 1;
    st = try_budget(part, t->budget, &t->bytes, &need, e);
    if (st != ST_OK && need > t->budget) {
        t->budget = need;
        st = may_stay && need >= most ? ST_OK : try_budget(part, need, &t->bytes, &need, e);
        t->bytes = may_stay && t->budget >= most ? most : t->bytes;
    }
    t->full = st == ST_OK && may_stay && t->bytes >= most;
    t->bytes = t->full ? most : t->bytes;
    return st == ST_OK ? st : error_prefix(e, st, "field %zu", i);
}

/* Part of the float32 bytes, which are at most 2^64 - 1 together. */
static uint64_t share_of(const struct plan *part, double ratio)
{
    double share = (double)full_bytes(part) * ratio;

    return share < 0x1p63 ? (uint64_t)share : INT64_MAX;
}

/* Bytes of all fields at one ratio. */
static enum status total_at(const struct layout *l, double ratio, uint64_t *total, struct error *e)
{
    struct take t;

    *total = 0;
    for (size_t i = 0; i < l->part_count; i++) {
        enum status st = take(l, i, share_of(&l->part[i], ratio), &t, e);

        if (st != ST_OK)
            return st;
        if (__builtin_add_overflow(*total, t.bytes, total))
            *total = UINT64_MAX;
    }
    return ST_OK;
}

/* The largest ratio that the budget allows. It stops where the largest field would no longer get
   another byte. */
static enum status find_ratio(struct layout *l, double *ratio, struct error *e)
{
    double low = 0, high = 1, largest = 1;
    uint64_t total;
    enum status st = total_at(l, high, &total, e);

    if (st == ST_OK && total <= l->budget) {
        *ratio = high;
        return ST_OK;
    }
    if (st == ST_OK)
        st = total_at(l, low, &total, e);
    if (st == ST_OK && total > l->budget)
        return layout_refuse(l, total, e);
    for (size_t i = 0; i < l->part_count; i++) {
        double bytes = (double)full_bytes(&l->part[i]);

        largest = bytes > largest ? bytes : largest;
    }
    for (int i = 0; st == ST_OK && i < HALVINGS && (high - low) * largest >= 1; i++) {
        double middle = low + (high - low) / 2;

        st = total_at(l, middle, &total, e);
        if (total <= l->budget)
            low = middle;
        else
            high = middle;
    }
    *ratio = low;
    return st;
}

/* One ratio for all fields. A field that cannot use all of its share is promised no more than what
   the others leave, so that the promises add up to the budget: whoever keeps his, as a study of the
   table may, breaks none. */
static enum status share_evenly(struct layout *l, struct error *e)
{
    double ratio = 0;
    uint64_t left;
    enum status st = find_ratio(l, &ratio, e);

    if (st == ST_OK)
        st = total_at(l, ratio, &left, e);
    if (st != ST_OK)
        return st;
    left = l->budget - left;
    for (size_t i = 0; i < l->part_count; i++) {
        struct take t;
        uint64_t more;

        st = take(l, i, share_of(&l->part[i], ratio), &t, e);
        if (st != ST_OK)
            return st;
        if (t.full) {
            layout_full(l, i);
            continue;
        }
        more = t.budget - t.bytes < left ? t.budget - t.bytes : left;
        left -= more;
        l->part[i].budget = t.bytes + more ? t.bytes + more : 1;
    }
    return ST_OK;
}

static enum status make_field(struct layout *l, size_t i, struct error *e)
{
    struct plan *part = &l->part[i];
    enum status st = plan_make(part, e);
    uint64_t bytes;

    if (st == ST_OK)
        st = plan_bytes(part, &bytes, e);
    if (st != ST_OK)
        return error_prefix(e, st, "field %zu", i);
    if (bytes >= full_bytes(part) && !l->method->keeps_fields)
        layout_full(l, i);
    return ST_OK;
}

static enum status make_fields(struct layout *l, struct error *e)
{
    enum status st = ST_OK;
    uint64_t bytes;

    if (l->budget)
        st = l->method->share ? l->method->share(l, e) : share_evenly(l, e);
    for (size_t i = 0; st == ST_OK && i < l->part_count; i++)
        st = make_field(l, i, e);
    if (st == ST_OK)
        st = layout_bytes(l, &bytes, e);
    return st == ST_OK && l->budget && bytes > l->budget ? layout_refuse(l, bytes, e) : st;
}

enum status layout_make(struct layout *l, struct error *e)
{
    enum status st;

    l->need = 0;
    if (l->per_field)
        return make_fields(l, e);
    l->part[0].budget = l->budget;
    l->part[0].need = 0;
    st = plan_make(&l->part[0], e);
    l->need = st == ST_OK ? 0 : l->part[0].need;
    return st;
}

enum status layout_bytes(const struct layout *l, uint64_t *bytes, struct error *e)
{
    uint64_t total = 0, own;

    for (size_t i = 0; i < l->part_count; i++) {
        enum status st = plan_bytes(&l->part[i], &own, e);

        if (st != ST_OK)
            return st;
        if (__builtin_add_overflow(total, own, &total))
            return error_set(e, ST_EXHAUSTED, "%s would be larger than memory", l->method->name);
    }
    *bytes = total;
    return ST_OK;
}

double layout_author_words(const struct layout *l)
{
    double words = 0;

    if (!l->method->author_words)
        return -1;
    for (size_t i = 0; i < l->part_count; i++) {
        const struct plan *part = &l->part[i];

        words += part->method->author_words ? part->method->author_words(part)
                                            : (double)part->rows * part->dim;
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
