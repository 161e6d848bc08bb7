/* SPDX-License-Identifier: Apache-2.0 */
/* From words to a layout, and from random numbers to a file. */
#include "table/begin.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "methods/cost.h"
#include "methods/init.h"
#include "table/table.h"

enum status begin_budget(uint64_t *budget, double ratio, uint64_t rows, uint32_t dim,
                         struct error *e)
{
    double bytes = ratio * (double)rows * dim * sizeof(float) * (1 + 1e-12);

    if (!(ratio > 0))
        return error_set(e, ST_INVALID, "the ratio must be above 0");
    *budget = bytes < 1 ? 1 : bytes < 0x1p63 ? (uint64_t)bytes : INT64_MAX;
    return ST_OK;
}

enum status begin_settings(struct value *value, const struct method *m,
                           const struct begin_setting *setting, size_t count, struct error *e)
{
    for (size_t i = 0; i < count; i++) {
        const char *key = setting[i].key;
        int place = method_setting(m, key, strlen(key));
        struct value read;
        enum status st;

        if (place < 0)
            return error_set(e, ST_INVALID, "%s has no setting %s", m->name, QUOTE(key));
        st = setting_parse(&m->settings[place], setting[i].text, &read, e);
        if (st != ST_OK)
            return st;
        mem_free(value[place].list);
        value[place] = read;
    }
    return ST_OK;
}

void begin_settings_done(struct value *value)
{
    for (size_t i = 0; i < METHOD_SETTINGS_MAX; i++) {
        mem_free(value[i].list);
        value[i] = (struct value){0};
    }
}

enum status begin_fields(uint64_t **first, const uint64_t *field, size_t count, uint64_t rows,
                         struct error *e)
{
    uint64_t *place = mem_zero(count + 1, sizeof *place);

    if (!place)
        return error_memory(e, "fields");
    for (size_t i = 0; i < count; i++)
        if (__builtin_add_overflow(place[i], field[i], &place[i + 1]) || place[i + 1] > rows) {
            mem_free(place);
            return error_set(e, ST_INVALID,
                             "the fields have more than the %" PRIu64 " rows of the table", rows);
        }
    if (place[count] != rows) {
        error_set(e, ST_INVALID,
                  "the fields have %" PRIu64 " rows together; the table has %" PRIu64, place[count],
                  rows);
        mem_free(place);
        return ST_INVALID;
    }
    *first = place;
    return ST_OK;
}

static enum status find_method(const struct method **m, const char *name, struct error *e)
{
    if (!name || !*name)
        return error_set(e, ST_INVALID, "a method is needed");
    *m = method_find(name, strlen(name));
    if (!*m)
        return error_set(e, ST_NOT_FOUND, "there is no method %s", QUOTE(name));
    if (!(*m)->gradient)
        return error_set(e, ST_PRECONDITION, "a table of the method %s cannot be trained",
                         (*m)->name);
    return ST_OK;
}

enum status begin_optimizer(char **out, const struct layout *l, const char *optimizer,
                            const struct optimizer_option *option, size_t count, struct error *e)
{
    struct optimizer_settings base = {0}, s = {0};
    bool named = optimizer && *optimizer, object = named && *optimizer == '{';
    enum status st = ST_OK;
    char *text = NULL;

    optimizer_settings_init(&base);
    if (object)
        st = optimizer_settings_read(&base, optimizer, 0, e);
    else if (named)
        st = optimizer_settings_set(&base, "optimizer", optimizer, e);
    if (st == ST_OK)
        st = optimizer_settings_merge(&s, named ? &base : NULL, option, count, false, e);
    if (st == ST_OK && s.optimizer)
        st = layout_suits(l, &s, e);
    if (st == ST_OK && s.optimizer)
        st = optimizer_settings_write(&text, &s, e);
    optimizer_settings_done(&base);
    optimizer_settings_done(&s);
    if (st == ST_OK)
        *out = text;
    return st;
}

static enum status check_growth(const struct begin *how, const struct method *m, struct error *e)
{
    if (how->extras.hashed_ids)
        return error_set(e, ST_INVALID, "a table with hashed ids knows every id: it cannot grow");
    if (how->key_count > how->rows)
        return error_set(e, ST_INVALID, "there are %" PRIu64 " keys for %" PRIu64 " rows",
                         how->key_count, how->rows);
    return table_may_grow(m, how->field_count, e);
}

enum status begin_plan(struct beginning *b, const struct begin *how, struct error *e)
{
    struct value chosen[METHOD_SETTINGS_MAX] = {0};
    struct fields fields = {0};
    const struct method *m = NULL;
    uint64_t budget = how->budget;
    enum status st;

    *b = (struct beginning){0};
    if (how->budget && how->ratio != 0)
        return error_set(e, ST_INVALID, "budget and ratio exclude each other");
    if (!(how->deviation >= 0 && how->deviation < 1e30))
        return error_set(e, ST_INVALID, "the deviation must be from 0 to 1e30");
    st = find_method(&m, how->method, e);
    if (st == ST_OK && how->grows)
        st = check_growth(how, m, e);
    if (st == ST_OK && how->ratio != 0)
        st = begin_budget(&budget, how->ratio, how->rows, how->dim, e);
    if (st == ST_OK && how->field_count) {
        st = begin_fields(&b->first, how->field, how->field_count, how->rows, e);
        fields = (struct fields){b->first, how->field_count};
    }
    if (st == ST_OK)
        st = begin_settings(chosen, m, how->setting, how->setting_count, e);
    if (st == ST_OK)
        st = layout_open(&b->layout, m, how->rows, how->dim, &fields, budget, chosen, e);
    if (st == ST_OK)
        st = layout_make(&b->layout, e);
    begin_settings_done(chosen);
    if (st == ST_OK)
        st = begin_optimizer(&b->optimizer, &b->layout, how->optimizer, how->option,
                             how->option_count, e);
    return st;
}

void begin_done(struct beginning *b)
{
    layout_done(&b->layout);
    mem_free(b->first);
    mem_free(b->optimizer);
    *b = (struct beginning){0};
}

struct drawing {
    struct init init;
    const struct layout *layout;
    const struct begin *how;
};

static enum status tell(const struct drawing *d, uint64_t rows, struct error *e)
{
    const struct begin *how = d->how;
    double all = d->layout->rows ? (double)d->layout->rows : 1;

    if (how->progress && !how->progress(how->context, (double)rows / all))
        return error_set(e, ST_CANCELLED, "stopped");
    return ST_OK;
}

/* Every field draws numbers of its own, also where a method names its streams without the field. */
static enum status draw(void *context, struct parameters *part, size_t parts, struct error *e)
{
    const struct drawing *d = context;
    enum status st = ST_OK;
    uint64_t first = 0;

    for (size_t i = 0; i < parts; first += part[i++].rows) {
        struct init own = d->init;

        if (d->layout->per_field)
            own.seed = hash_key((int64_t)i, d->init.seed);
        if (own.weight)
            own.weight += first;
        st = init_parameters(&own, &part[i], e);
        if (st == ST_OK)
            st = parameters_check(&part[i], e);
        if (st != ST_OK && d->layout->per_field)
            st = error_prefix(e, st, "field %zu", i);
        if (st == ST_OK)
            st = tell(d, first + part[i].rows, e);
        if (st != ST_OK)
            break;
    }
    return st;
}

/* Counts as weights; one more than each, so that no row weighs nothing. */
static enum status weigh(float **out, const int64_t *frequency, uint64_t rows, struct error *e)
{
    float *weight = mem_zero(rows, sizeof *weight);

    if (!weight)
        return error_memory(e, "weights");
    for (uint64_t i = 0; i < rows; i++) {
        if (frequency[i] < 0) {
            mem_free(weight);
            return error_set(e, ST_INVALID, "count %" PRIu64 " is negative: %" PRId64, i,
                             frequency[i]);
        }
        weight[i] = (float)frequency[i] + 1;
    }
    *out = weight;
    return ST_OK;
}

/* The keys that are there, and spare rows behind them. */
static enum status spread_keys(int64_t **keys, int64_t **touched, const struct begin *how,
                               struct error *e)
{
    *keys = mem_zero(how->rows, sizeof **keys);
    *touched = mem_alloc(how->rows * sizeof **touched);
    if (!*keys || !*touched)
        return error_memory(e, "keys");
    if (how->key_count)
        memcpy(*keys, how->extras.keys, how->key_count * sizeof **keys);
    for (uint64_t i = 0; i < how->rows; i++)
        (*touched)[i] = i < how->key_count ? how->now : -1;
    return ST_OK;
}

enum status begin_create(const char *path, const struct beginning *b, const struct begin *how,
                         struct table_created *created, struct error *e)
{
    struct drawing d = {.init = {.seed = how->extras.seed, .deviation = how->deviation},
                        .layout = &b->layout,
                        .how = how};
    const struct table_source source = {draw, &d};
    struct table_extras extras = how->extras;
    int64_t *keys = NULL, *touched = NULL;
    float *weight = NULL;
    enum status st = ST_OK;

    extras.optimizer = b->optimizer;
    if (!extras.origin)
        extras.origin = "create";
    if (extras.frequency)
        st = weigh(&weight, extras.frequency, b->layout.rows, e);
    if (st == ST_OK && how->grows) {
        st = spread_keys(&keys, &touched, how, e);
        extras.keys = keys;
        extras.touched = touched;
        extras.deviation = how->deviation;
    }
    d.init.weight = weight;
    if (st == ST_OK)
        st = table_create(path, &b->layout, &source, &extras, created, e);
    mem_free(weight);
    mem_free(keys);
    mem_free(touched);
    return st;
}
