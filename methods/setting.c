/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: reading their text, holding them against their declaration, conditions between them. */
#include "methods/method.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
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

/* One "key=choice|choice" of a condition, `n` bytes. */
static bool part_holds(const struct method *m, const struct value *value, const char *part,
                       size_t n)
{
    const char *equals = memchr(part, '=', n), *end = part + n;
    int i;

    assert(equals); /* the declarations are ours */
    i = method_setting(m, part, (size_t)(equals - part));
    assert(i >= 0);
    if (!value[i].set)
        return false;
    for (const char *word = equals + 1; word < end;) {
        const char *bar = memchr(word, '|', (size_t)(end - word));
        size_t length = (size_t)((bar ? bar : end) - word);

        if (m->settings[i].type == SETTING_BOOL
                ? value[i].i == (length == 4 && memcmp(word, "true", 4) == 0)
                : value[i].i == choice_find(m->settings[i].choices, word, length))
            return true;
        word += length + 1;
    }
    return false;
}

bool condition_holds(const struct method *m, const struct value *value, const char *when)
{
    while (when && *when) {
        size_t n = strcspn(when, " ");

        if (!part_holds(m, value, when, n))
            return false;
        when += n;
        when += strspn(when, " ");
    }
    return true;
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

/* Longest text of a number, and "…". */
#define NUMBER_TEXT 32

/* "1,200,3": as many as there is room for. */
static void list_format(char *out, size_t room, const struct value *value)
{
    size_t used = 0;

    out[0] = '\0';
    for (size_t i = 0; i < value->n; i++) {
        if (room - used < NUMBER_TEXT + sizeof "…") {
            snprintf(out + used, room - used, "…");
            return;
        }
        used +=
            (size_t)snprintf(out + used, room - used, "%s%" PRId64, i ? "," : "", value->list[i]);
    }
}

const char *setting_format(char *out, size_t room, const struct setting *s,
                           const struct value *value)
{
    const char *word = s->choices;

    switch (s->type) {
    case SETTING_INT:
        snprintf(out, room, "%" PRId64, value->i);
        break;
    case SETTING_REAL:
        snprintf(out, room, "%.15g", value->r);
        if (strtod(out, NULL) != value->r)
            snprintf(out, room, "%.17g", value->r);
        break;
    case SETTING_BOOL:
        snprintf(out, room, "%s", value->i ? "true" : "false");
        break;
    case SETTING_CHOICE:
        for (int64_t i = 0; i < value->i; i++) {
            word += strcspn(word, " ");
            word += strspn(word, " ");
        }
        snprintf(out, room, "%.*s", (int)strcspn(word, " "), word);
        break;
    case SETTING_INTS:
        list_format(out, room, value);
        break;
    }
    return out;
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
