/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: reading their text, holding them against their declaration, conditions between them. */
#include "methods/method.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

/* Place of a word in a list separated by spaces, or -1. */
static int choice_find(const char *choices, const char *s, size_t n)
{
    for (int i = 0; *choices; i++) {
        size_t length = strcspn(choices, " ");

        if (length == n && memcmp(choices, s, n) == 0)
            return i;
        choices += length;
        choices += strspn(choices, " ");
    }
    return -1;
}

bool condition_holds(const struct method *m, const struct value *value, const char *when)
{
    const char *equals;
    int i;

    if (!when)
        return true;
    equals = strchr(when, '=');
    i = method_setting(m, when, (size_t)(equals - when));
    assert(i >= 0); /* the declarations are ours */
    if (!value[i].set)
        return false;
    equals++;
    if (m->settings[i].type == SETTING_BOOL)
        return value[i].i == (strcmp(equals, "true") == 0);
    return value[i].i == choice_find(m->settings[i].choices, equals, strlen(equals));
}

/* Split at the commas. An empty text is an empty list. */
static enum status list_parse(const struct setting *s, const char *text, struct value *value,
                              struct error *e)
{
    size_t count = *text ? 1 : 0, done = 0;
    int64_t *list;

    for (const char *p = text; *p; p++)
        count += *p == ',';
    list = mem_zero(count, sizeof *list);
    if (!list)
        return error_memory(e, s->name);
    for (; done < count; done++) {
        size_t n = strcspn(text, ",");

        if (!parse_i64(text, n, &list[done])) {
            mem_free(list);
            return error_set(e, ST_INVALID, "%s is a list of integers, and %s is none", s->name,
                             QUOTE_N(text, n));
        }
        text += n + 1;
    }
    value->list = list;
    value->n = count;
    return ST_OK;
}

enum status setting_parse(const struct setting *s, const char *text, struct value *value,
                          struct error *e)
{
    struct value read = {.set = true};
    enum status st;
    bool yes;
    int choice;

    switch (s->type) {
    case SETTING_INT:
        if (!parse_i64(text, strlen(text), &read.i))
            return error_set(e, ST_INVALID, "%s is an integer, and %s is none", s->name,
                             QUOTE(text));
        break;
    case SETTING_REAL:
        if (!parse_double(text, &read.r))
            return error_set(e, ST_INVALID, "%s is a number, and %s is none", s->name, QUOTE(text));
        break;
    case SETTING_BOOL:
        if (!parse_bool(text, &yes))
            return error_set(e, ST_INVALID, "%s is true or false, not %s", s->name, QUOTE(text));
        read.i = yes;
        break;
    case SETTING_CHOICE:
        if ((choice = choice_find(s->choices, text, strlen(text))) < 0)
            return error_set(e, ST_INVALID, "%s is one of %s, not %s", s->name, s->choices,
                             QUOTE(text));
        read.i = choice;
        break;
    case SETTING_INTS:
        if ((st = list_parse(s, text, &read, e)) != ST_OK)
            return st;
        break;
    }
    if ((st = setting_check(s, &read, e)) != ST_OK) {
        mem_free(read.list);
        return st;
    }
    *value = read;
    return ST_OK;
}

static enum status integer_check(const struct setting *s, int64_t i, struct error *e)
{
    if ((s->min == 0 && s->max == 0) || (i >= s->min && i <= s->max))
        return ST_OK;
    if (s->min == s->max)
        return error_set(e, ST_INVALID, "%s must be %" PRId64 ", not %" PRId64, s->name, s->min, i);
    if (s->max == INT64_MAX)
        return error_set(e, ST_INVALID, "%s must be at least %" PRId64 ", not %" PRId64, s->name,
                         s->min, i);
    return error_set(e, ST_INVALID, "%s must be from %" PRId64 " to %" PRId64 ", not %" PRId64,
                     s->name, s->min, s->max, i);
}

enum status setting_check(const struct setting *s, const struct value *value, struct error *e)
{
    enum status st = ST_OK;

    switch (s->type) {
    case SETTING_INT:
        return integer_check(s, value->i, e);
    case SETTING_INTS:
        for (size_t i = 0; i < value->n && st == ST_OK; i++)
            st = integer_check(s, value->list[i], e);
        return st;
    case SETTING_REAL:
        return isfinite(value->r) ? ST_OK : error_set(e, ST_INVALID, "%s must be finite", s->name);
    case SETTING_BOOL:
    case SETTING_CHOICE:
        return ST_OK; /* whatever was read is one of the words */
    }
    return ST_OK;
}

enum status settings_complete(const struct method *m, struct value *value, struct error *e)
{
    /* In the order of the declarations: a condition names an earlier setting. */
    for (size_t i = 0; i < m->settings_count; i++) {
        const struct setting *s = &m->settings[i];
        enum status st;

        if (!condition_holds(m, value, s->when)) {
            if (value[i].set)
                return error_set(e, ST_INVALID, "%s goes with %s only", s->name, s->when);
        } else if (!value[i].set && s->fallback) {
            if ((st = setting_parse(s, s->fallback, &value[i], e)) != ST_OK)
                return st;
        } else if (!value[i].set && !s->optional) {
            return error_set(e, ST_INVALID, "%s is missing (%s)", s->name, s->help);
        }
    }
    return ST_OK;
}
