/* SPDX-License-Identifier: Apache-2.0 */
/* `embd.config` of a table file: the settings of its one set of parameters, or of each field's. An
   unknown key is refused, because a misspelt one must not be silent. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "table/config.h"
#include "table/header_tensor.h"
#include "table/json.h"
#include "table/load.h"

/* A field has at least one tensor of its own, and a file has at most this many; keeps the memory
   for a list of empty entries in proportion. */
#define FIELDS_MOST TENSORS_MOST

/* Keys that belong to the table and not to a method's settings. */
static bool is_note(const char *key)
{
    return !strcmp(key, "note");
}

static enum status read_seed(struct loading *l, const json_t *value, struct error *e)
{
    if (!value || json_natural_read(value, &l->t->seed))
        return ST_OK;
    return error_set(e, ST_INVALID,
                     "seed must be an integer from 0 to 2^64 - 1 (or a string of one)");
}

/* The settings of one set of parameters. `outer`: the object is the top level, which may hold the
   table's own keys too. */
static enum status read_settings(struct parameters *p, const json_t *object, bool outer,
                                 struct error *e)
{
    enum status st;
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)object, key, value)
    {
        int place;

        if (is_note(key) || (outer && !strcmp(key, "seed")))
            continue;
        place = method_setting(p->method, key, strlen(key));
        if (place < 0)
            return error_set(e, ST_INVALID, "unknown key %s", QUOTE(key));
        st = config_value_read(&p->method->settings[place], value, &p->value[place], e);
        if (st != ST_OK)
            return st;
    }
    return settings_complete(p->method, p->value, e);
}

/* One entry of per_field: the field's settings, or {"method": "full"}. */
static enum status read_field(struct parameters *p, const json_t *entry, struct error *e)
{
    const json_t *method = json_object_get(entry, "method");
    const char *name = json_string_value(method), *key;
    json_t *value;

    if (!json_is_object(entry))
        return error_set(e, ST_INVALID, "must be an object");
    if (!method)
        return read_settings(p, entry, false, e);
    if (!name || strcmp(name, "full"))
        return error_set(e, ST_INVALID, "method may only be \"full\" here");
    json_object_foreach((json_t *)entry, key, value)
    {
        if (strcmp(key, "method") && !is_note(key))
            return error_set(e, ST_INVALID, "a full field has no key %s", QUOTE(key));
    }
    p->method = method_find("full", 4);
    return p->method ? ST_OK : error_set(e, ST_INVALID, "this embd does not have the method full");
}

static enum status make_parts(struct loading *l, size_t count, struct error *e)
{
    struct table *t = l->t;

    t->part = mem_zero(count, sizeof *t->part);
    t->part_first = mem_zero(count + 1, sizeof *t->part_first);
    if (t->field_count)
        t->field_first = mem_zero(t->field_count + 1, sizeof *t->field_first);
    if (!t->part || !t->part_first || (t->field_count && !t->field_first))
        return error_memory(e, "parameters");
    for (size_t i = 0; i < t->field_count; i++)
        t->field_first[i + 1] = t->field_first[i] + t->field_rows[i];
    t->part_count = count;
    for (size_t i = 0; i < count; i++) {
        uint64_t rows = l->per_field ? t->field_rows[i] : t->rows;

        t->part[i].method = t->method;
        t->part[i].rows = rows;
        t->part[i].dim = t->dim;
        t->part[i].of_field = l->per_field;
        if (!l->per_field && t->field_count)
            t->part[i].fields = (struct fields){t->field_first, t->field_count};
        t->part_first[i + 1] = t->part_first[i] + rows;
    }
    return ST_OK;
}

static enum status read_fields(struct loading *l, const json_t *root, const json_t *list,
                               struct error *e)
{
    struct table *t = l->t;
    enum status st;
    const char *key;
    json_t *value;

    if (!t->method->per_field)
        return error_set(e, ST_INVALID, "the method %s has no per_field", t->method->name);
    if (!t->field_rows)
        return error_set(e, ST_INVALID, "per_field needs embd.fields");
    if (!json_is_array(list) || json_array_size(list) != t->field_count)
        return error_set(e, ST_INVALID,
                         "per_field must be a list with one entry a field, which are %zu",
                         t->field_count);
    if (t->field_count > FIELDS_MOST)
        return error_set(e, ST_INVALID, "per_field has %zu entries; at most %d are read",
                         t->field_count, FIELDS_MOST);
    json_object_foreach((json_t *)root, key, value)
    {
        if (strcmp(key, "per_field") && strcmp(key, "seed") && !is_note(key))
            return error_set(e, ST_INVALID, "%s may not stand beside per_field", QUOTE(key));
    }
    l->per_field = true;
    st = make_parts(l, t->field_count, e);
    for (size_t i = 0; st == ST_OK && i < t->part_count; i++) {
        st = read_field(&t->part[i], json_array_get(list, i), e);
        if (st != ST_OK)
            st = error_prefix(e, st, "per_field[%zu]", i);
    }
    return st;
}

enum status load_config(struct loading *l, struct error *e)
{
    const json_t *per_field;
    json_t *root = NULL;
    enum status st = json_read_text(&root, l->t->config, l->limits.tokens, e);

    if (st == ST_OK && !json_is_object(root))
        st = error_set(e, ST_INVALID, "is not a JSON object");
    if (st == ST_OK)
        st = read_seed(l, json_object_get(root, "seed"), e);
    if (st == ST_OK) {
        per_field = json_object_get(root, "per_field");
        if (per_field) {
            st = read_fields(l, root, per_field, e);
        } else {
            st = make_parts(l, 1, e);
            if (st == ST_OK)
                st = read_settings(&l->t->part[0], root, true, e);
        }
    }
    json_decref(root);
    return st == ST_OK ? st : error_prefix(e, st, "embd.config");
}
