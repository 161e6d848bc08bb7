/* SPDX-License-Identifier: Apache-2.0 */
/* Single settings from and to JSON. No state; any thread. */
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "table/config.h"
#include "table/json.h"

#define EXACT_IN_DOUBLE (INT64_C(1) << 53) /* larger integers are written as strings */
#define NAME(s) (s)->name

/* Place of the word among the choices, or -1. */
static int64_t choice_find(const char *choices, const char *word, size_t n)
{
    int64_t place = 0;

    for (const char *p = choices; *p; place++) {
        size_t length = strcspn(p, " ");

        if (length == n && !memcmp(p, word, n))
            return place;
        p += length;
        p += strspn(p, " ");
    }
    return -1;
}

static const char *choice_name(const char *choices, int64_t place, size_t *n)
{
    const char *p = choices;

    for (; place > 0; place--) {
        p += strcspn(p, " ");
        p += strspn(p, " ");
    }
    *n = strcspn(p, " ");
    return p;
}

/* A choice is a string; one of numbers ("8 16") may be an integer. */
static enum status read_choice(const struct setting *s, const json_t *json, struct value *value,
                               struct error *e)
{
    char digits[24];
    const char *word = json_string_value(json);

    if (json_is_integer(json)) {
        snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(json));
        word = digits;
    }
    if (!word)
        return error_set(e, ST_INVALID, "%s must be one of: %s", NAME(s), s->choices);
    value->i = choice_find(s->choices, word, strlen(word));
    if (value->i < 0)
        return error_set(e, ST_INVALID, "%s is %s; it must be one of: %s", NAME(s), QUOTE(word),
                         s->choices);
    return ST_OK;
}

static enum status read_list(const struct setting *s, const json_t *json, struct value *value,
                             struct error *e)
{
    size_t n = json_array_size(json);

    if (!json_is_array(json))
        return error_set(e, ST_INVALID, "%s must be a list of integers", NAME(s));
    value->list = mem_zero(n, sizeof *value->list);
    if (!value->list)
        return error_memory(e, "settings");
    value->n = n;
    for (size_t i = 0; i < n; i++)
        if (!json_integer_read(json_array_get(json, i), &value->list[i]))
            return error_set(e, ST_INVALID, "%s[%zu] must be an integer", NAME(s), i);
    return ST_OK;
}

static enum status read_typed(const struct setting *s, const json_t *json, struct value *value,
                              struct error *e)
{
    switch (s->type) {
    case SETTING_INT:
        if (!json_integer_read(json, &value->i))
            return error_set(e, ST_INVALID, "%s must be an integer", NAME(s));
        return ST_OK;
    case SETTING_REAL:
        if (!json_is_number(json))
            return error_set(e, ST_INVALID, "%s must be a number", NAME(s));
        value->r = json_number_value(json);
        return ST_OK;
    case SETTING_BOOL:
        if (!json_is_boolean(json))
            return error_set(e, ST_INVALID, "%s must be true or false", NAME(s));
        value->i = json_is_true(json);
        return ST_OK;
    case SETTING_CHOICE:
        return read_choice(s, json, value, e);
    case SETTING_INTS:
        return read_list(s, json, value, e);
    }
    return error_set(e, ST_INTERNAL, "%s has no type", NAME(s));
}

enum status config_value_read(const struct setting *s, const json_t *json, struct value *value,
                              struct error *e)
{
    struct value read = {.set = true};
    enum status st = read_typed(s, json, &read, e);

    if (st == ST_OK)
        st = setting_check(s, &read, e);
    if (st != ST_OK)
        mem_free(read.list);
    else
        *value = read;
    return st;
}

static json_t *integer_json(int64_t i)
{
    char digits[24];

    if (i >= -EXACT_IN_DOUBLE && i <= EXACT_IN_DOUBLE)
        return json_integer(i);
    snprintf(digits, sizeof digits, "%lld", (long long)i);
    return json_string(digits);
}

static json_t *value_json(const struct setting *s, const struct value *value)
{
    const char *word;
    json_t *list;
    size_t n;

    switch (s->type) {
    case SETTING_INT:
        return integer_json(value->i);
    case SETTING_REAL:
        return json_real(value->r);
    case SETTING_BOOL:
        return json_boolean(value->i);
    case SETTING_CHOICE:
        word = choice_name(s->choices, value->i, &n);
        return json_stringn(word, n);
    case SETTING_INTS:
        list = json_array();
        for (size_t i = 0; list && i < value->n; i++)
            if (json_array_append_new(list, integer_json(value->list[i])) < 0) {
                json_decref(list);
                return NULL;
            }
        return list;
    }
    return NULL;
}

/* One set of settings as an object; NULL without memory. */
static json_t *settings_json(const struct parameters *p)
{
    json_t *object = json_object();

    for (size_t i = 0; object && i < p->method->settings_count; i++)
        if (p->value[i].set &&
            json_object_set_new(object, p->method->settings[i].name,
                                value_json(&p->method->settings[i], &p->value[i])) < 0) {
            json_decref(object);
            return NULL;
        }
    return object;
}

/* The list of all fields' settings; a field with another method than the table's stayed full, and
   so did all of them if that is the table's. */
static json_t *fields_json(const struct parameters *part, size_t parts)
{
    json_t *object = json_object(), *list = json_array();

    for (size_t i = 0; object && list && i < parts; i++) {
        json_t *entry = strcmp(part[i].method->name, "full") ? settings_json(&part[i])
                                                             : json_pack("{s:s}", "method", "full");

        if (json_array_append_new(list, entry) < 0) {
            json_decref(list);
            list = NULL;
        }
    }
    if (json_object_set_new(object, "per_field", list) < 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

enum status config_write(char **out, const struct parameters *part, size_t parts, bool per_field,
                         uint64_t seed, struct error *e)
{
    const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(17);
    json_t *object = per_field ? fields_json(part, parts) : settings_json(&part[0]);
    char digits[24], *text = NULL;
    enum status st = object ? ST_OK : error_memory(e, "settings");
    size_t n;

    snprintf(digits, sizeof digits, "%llu", (unsigned long long)seed);
    if (st == ST_OK && seed && json_object_set_new(object, "seed", json_string(digits)) < 0)
        st = error_memory(e, "settings");
    if (st == ST_OK) {
        n = json_dumpb(object, NULL, 0, flags);
        text = n ? mem_alloc(n + 1) : NULL;
        if (!text)
            st = error_memory(e, "settings");
    }
    if (st == ST_OK) {
        json_dumpb(object, text, n, flags);
        text[n] = '\0';
        *out = text;
    }
    json_decref(object);
    return st;
}
