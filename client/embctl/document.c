/* SPDX-License-Identifier: Apache-2.0 */
/* Writing JSON. jansson would need the whole document in memory (a lookup of a million rows is tens
   of millions of objects) and prints every double with 17 digits; it is used to check embedded
   texts. */
#include "client/embctl/document.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/embctl/print.h"

static void put_text(struct document *j, const char *text)
{
    size_t n = strlen(text);
    bool valid = utf8_valid(text, n);

    fputc('"', j->out);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '"' || c == '\\')
            fprintf(j->out, "\\%c", c);
        else if (c == '\n')
            fputs("\\n", j->out);
        else if (c < 0x20 || c == 0x7f)
            fprintf(j->out, "\\u%04x", c);
        else if (c >= 0x80 && !valid)
            fputs("\\ufffd", j->out); /* a path, say: JSON has no other way to tell */
        else
            fputc(c, j->out);
    }
    fputc('"', j->out);
}

/* Comma, line, indent and key: all that comes before a value. */
static void lead(struct document *j, const char *key)
{
    unsigned d = j->depth;

    if (d && j->begun[d - 1])
        fputc(',', j->out);
    if (d && !j->flat[d - 1])
        fprintf(j->out, "\n%*s", (int)(2 * d), "");
    else if (d && j->begun[d - 1])
        fputc(' ', j->out);
    if (d)
        j->begun[d - 1] = true;
    if (key) {
        put_text(j, key);
        fputs(": ", j->out);
    }
}

static void open_container(struct document *j, const char *key, const char *brackets, bool flat)
{
    lead(j, key);
    fputc(brackets[0], j->out);
    assert(j->depth < sizeof j->flat);
    j->flat[j->depth] = flat || (j->depth && j->flat[j->depth - 1]);
    j->begun[j->depth] = false;
    j->closing[j->depth++] = brackets[1];
}

void doc_begin(struct document *j)
{
    *j = (struct document){.out = stdout};
}

void doc_end(struct document *j)
{
    assert(!j->depth);
    fputc('\n', j->out);
}

int doc_finish(struct document *j)
{
    doc_end(j);
    return finish_output();
}

void doc_object(struct document *j, const char *key)
{
    open_container(j, key, "{}", false);
}

void doc_array(struct document *j, const char *key)
{
    open_container(j, key, "[]", false);
}

void doc_array_flat(struct document *j, const char *key)
{
    open_container(j, key, "[]", true);
}

void doc_close(struct document *j)
{
    j->depth--;
    if (j->begun[j->depth] && !j->flat[j->depth])
        fprintf(j->out, "\n%*s", (int)(2 * j->depth), "");
    fputc(j->closing[j->depth], j->out);
}

void doc_text(struct document *j, const char *key, const char *value)
{
    lead(j, key);
    if (value)
        put_text(j, value);
    else
        fputs("null", j->out);
}

void doc_bool(struct document *j, const char *key, bool value)
{
    lead(j, key);
    fputs(value ? "true" : "false", j->out);
}

void doc_u64(struct document *j, const char *key, uint64_t value)
{
    lead(j, key);
    fprintf(j->out, "%" PRIu64, value);
}

void doc_i64(struct document *j, const char *key, int64_t value)
{
    lead(j, key);
    fprintf(j->out, "%" PRId64, value);
}

void doc_real(struct document *j, const char *key, double value)
{
    char text[40] = "null";

    lead(j, key);
    for (int digits = 1; isfinite(value) && digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    fputs(text, j->out);
}

void doc_float(struct document *j, const char *key, float value)
{
    char text[40] = "null";

    lead(j, key);
    for (int digits = 6; isfinite(value) && digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    fputs(text, j->out);
}

/* A value that jansson has read, on one line. */
static void put_value(struct document *j, const char *key, json_t *value)
{
    const char *name;
    json_t *item;
    size_t i;

    switch (json_typeof(value)) {
    case JSON_OBJECT:
        open_container(j, key, "{}", true);
        json_object_foreach(value, name, item) put_value(j, name, item);
        doc_close(j);
        break;
    case JSON_ARRAY:
        open_container(j, key, "[]", true);
        json_array_foreach(value, i, item) put_value(j, NULL, item);
        doc_close(j);
        break;
    case JSON_INTEGER:
        doc_i64(j, key, json_integer_value(value));
        break;
    case JSON_REAL:
        doc_real(j, key, json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        doc_bool(j, key, json_is_true(value));
        break;
    default: /* JSON_STRING, JSON_NULL */
        doc_text(j, key, json_string_value(value));
    }
}

/* How many containers lie within one another. */
static unsigned depth(json_t *value, unsigned most)
{
    unsigned deepest = 0, d;
    const char *name;
    json_t *item;
    size_t i;

    if (!json_is_object(value) && !json_is_array(value))
        return 0;
    json_object_foreach(value, name, item) if (most && (d = depth(item, most - 1)) > deepest)
        deepest = d;
    json_array_foreach(value, i, item) if (most && (d = depth(item, most - 1)) > deepest) deepest =
        d;
    return deepest + 1;
}

void doc_embedded(struct document *j, const char *key, const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    unsigned room = sizeof j->flat - j->depth;

    if (value && depth(value, room) <= room)
        put_value(j, key, value);
    else
        doc_text(j, key, text);
    json_decref(value);
}
