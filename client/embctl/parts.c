/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of tables in words. One thread. */
#include "client/embctl/parts.h"

#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/print.h"

#define VALUE_TEXT 200
#define LINE_TEXT 400

void parts_of_layout(struct parts *p, const struct layout *l)
{
    *p = (struct parts){.method = l->method,
                        .dim = l->dim,
                        .per_field = l->per_field,
                        .line = need_zero(l->part_count, sizeof *p->line),
                        .count = l->part_count};
    for (size_t i = 0; i < l->part_count; i++) {
        p->line[i] = (struct part_line){l->part[i].method, l->part[i].value, l->part[i].rows, 0};
        if (plan_bytes(&l->part[i], &p->line[i].bytes, NULL) != ST_OK)
            p->line[i].bytes = 0; /* not reached in a made layout */
    }
}

void parts_of_table(struct parts *p, const struct table *t)
{
    *p = (struct parts){.method = t->method,
                        .dim = t->dim,
                        .per_field = t->part_count > 0 && t->part[0].of_field,
                        .line = need_zero(t->part_count, sizeof *p->line),
                        .count = t->part_count};
    for (size_t i = 0; i < t->part_count; i++)
        p->line[i] = (struct part_line){t->part[i].method, t->part[i].value, t->part[i].rows,
                                        parameters_bytes(&t->part[i])};
}

void parts_done(struct parts *p)
{
    mem_free(p->line);
    *p = (struct parts){0};
}

/* What only a fit can decide is 0 in a plan. */
static bool is_open(const struct setting *s, const struct value *v)
{
    return s->type == SETTING_REAL && !s->fallback && v->r == 0;
}

/* Whether a setting is worth a word. */
static bool is_told(const struct setting *s, const struct value *v)
{
    char text[VALUE_TEXT], usual[VALUE_TEXT];
    struct value fallback;

    if (!v->set || is_open(s, v))
        return false;
    if (!s->fallback || setting_parse(s, s->fallback, &fallback, NULL) != ST_OK)
        return true;
    setting_format(usual, sizeof usual, s, &fallback);
    mem_free(fallback.list);
    return strcmp(setting_format(text, sizeof text, s, v), usual) != 0;
}

/* "key=value", or "key=2…90" where fields differ; "" if there is nothing to tell. */
static void tell_setting(char *out, size_t room, const struct parts *p, size_t setting)
{
    const struct setting *s = &p->method->settings[setting];
    char first[VALUE_TEXT] = "", text[VALUE_TEXT];
    bool told = false, differ = false;
    int64_t low = INT64_MAX, high = INT64_MIN;

    for (size_t i = 0; i < p->count; i++) {
        const struct value *v = &p->line[i].value[setting];

        if (p->line[i].method != p->method || !v->set)
            continue;
        told = told || is_told(s, v);
        setting_format(text, sizeof text, s, v);
        differ = differ || (*first && strcmp(first, text) != 0);
        if (!*first)
            strcpy(first, text);
        low = v->i < low ? v->i : low;
        high = v->i > high ? v->i : high;
    }
    *out = '\0';
    if (told && differ && s->type == SETTING_INT)
        snprintf(out, room, "%s=%lld…%lld", s->name, (long long)low, (long long)high);
    else if (told)
        snprintf(out, room, "%s=%s", s->name, differ ? "…" : first);
}

const char *parts_summary(char *out, size_t room, const struct parts *p)
{
    size_t used = 0, full = 0;

    *out = '\0';
    for (size_t i = 0; i < p->method->settings_count && used < room; i++) {
        char word[VALUE_TEXT + 64];

        tell_setting(word, sizeof word, p, i);
        if (*word)
            used += (size_t)snprintf(out + used, room - used, "%s%s", used ? " " : "", word);
    }
    for (size_t i = 0; i < p->count; i++)
        full += p->line[i].method != p->method;
    if (full && used < room)
        snprintf(out + used, room - used, "%s%zu of %zu fields full", used ? "; " : "", full,
                 p->count);
    return out;
}

void print_parts(const struct parts *p)
{
    static const struct column columns[] = {{"field", true},   {"rows", true},
                                            {"size", true},    {"ratio", true},
                                            {"method", false}, {"settings", false}};
    struct sheet s;
    char text[LINE_TEXT];

    sheet_init(&s, columns, sizeof columns / sizeof *columns);
    s.cut = true;
    for (size_t i = 0; i < p->count; i++) {
        const struct part_line *line = &p->line[i];
        const struct parts one = {.method = line->method, .line = &p->line[i], .count = 1};
        double full = 4.0 * (double)line->rows * p->dim;

        sheet_format(&s, "%zu", i);
        sheet_count(&s, line->rows);
        sheet_bytes(&s, line->bytes);
        sheet_text(&s, full > 0 ? format_ratio((char[32]){0}, (double)line->bytes / full) : "-");
        sheet_text(&s, line->method->name);
        sheet_text(&s, parts_summary(text, sizeof text, &one));
    }
    sheet_print(&s, 0, "");
    sheet_done(&s);
}

static void json_settings(struct document *j, const struct part_line *line)
{
    char text[VALUE_TEXT];

    doc_object(j, "config");
    for (size_t i = 0; i < line->method->settings_count; i++) {
        const struct setting *s = &line->method->settings[i];
        const struct value *v = &line->value[i];

        if (!v->set)
            continue;
        switch (s->type) {
        case SETTING_INT:
            doc_i64(j, s->name, v->i);
            break;
        case SETTING_REAL:
            if (is_open(s, v))
                doc_text(j, s->name, NULL);
            else
                doc_real(j, s->name, v->r);
            break;
        case SETTING_BOOL:
            doc_bool(j, s->name, v->i);
            break;
        case SETTING_CHOICE:
            doc_text(j, s->name, setting_format(text, sizeof text, s, v));
            break;
        case SETTING_INTS:
            doc_array_flat(j, s->name);
            for (size_t k = 0; k < v->n; k++)
                doc_i64(j, NULL, v->list[k]);
            doc_close(j);
            break;
        }
    }
    doc_close(j);
}

void json_parts(struct document *j, const struct parts *p)
{
    if (!p->per_field) {
        json_settings(j, &p->line[0]);
        return;
    }
    doc_array(j, "parts");
    for (size_t i = 0; i < p->count; i++) {
        doc_object(j, NULL);
        doc_u64(j, "rows", p->line[i].rows);
        doc_u64(j, "bytes", p->line[i].bytes);
        doc_text(j, "method", p->line[i].method->name);
        json_settings(j, &p->line[i]);
        doc_close(j);
    }
    doc_close(j);
}
