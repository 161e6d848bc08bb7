/* SPDX-License-Identifier: Apache-2.0 */
/* See json.h. No state; any thread. */
#include "table/json.h"

#include <string.h>

#include "base/text.h"

/* The string token that ends at or before `position`: jansson stops behind a repeated name. */
static const char *name_before(const char *text, size_t position, size_t *n)
{
    size_t end = position, start;

    while (end > 0 && text[end - 1] != '"')
        end--;
    if (end < 2)
        return NULL;
    for (start = --end; start > 0; start--) {
        size_t back = 0;

        if (text[start - 1] != '"')
            continue;
        while (back + 1 < start && text[start - 2 - back] == '\\')
            back++;
        if (back % 2 == 0)
            break;
    }
    *n = end - start;
    return text + start;
}

static enum status parse_error(const struct json_span *span, const json_error_t *error,
                               struct error *e)
{
    size_t position = error->position < 0 ? 0 : (size_t)error->position, n;
    const char *name;

    if (position > span->n)
        position = span->n;
    if (!error->text[0]) /* jansson has words for everything but a failed allocation */
        return error_memory(e, "JSON");
    switch (json_error_code(error)) {
    case json_error_out_of_memory:
        return error_memory(e, "JSON");
    case json_error_duplicate_key:
        name = name_before(span->text, position, &n);
        return error_set(e, ST_INVALID, "names %s twice", name ? QUOTE_N(name, n) : "a key");
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return error_set(e, ST_INVALID, "has a NUL character in a string");
    default:
        return error_set(e, ST_INVALID, "is not well-formed JSON (near byte %zu)", position);
    }
}

enum status json_read(json_t **out, const char *text, size_t n, const struct json_limits *limits,
                      struct error *e)
{
    struct json_span span;
    json_error_t error = {0};
    enum status st;
    json_t *root;

    if (!utf8_valid(text, n))
        return error_set(e, ST_INVALID, "is not valid UTF-8");
    st = json_scan(&span, text, n, limits, e);
    if (st != ST_OK)
        return st;
    root = json_loadb(span.text, span.n, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return parse_error(&span, &error, e);
    *out = root;
    return ST_OK;
}

enum status json_read_text(json_t **out, const char *text, uint64_t tokens, struct error *e)
{
    const struct json_limits limits = {.tokens = tokens, .depth = JSON_DEPTH};

    return json_read(out, text, strlen(text), &limits, e);
}

bool json_integer_read(const json_t *value, int64_t *out)
{
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return true;
    }
    return json_is_string(value) &&
           parse_i64(json_string_value(value), json_string_length(value), out);
}

bool json_natural_read(const json_t *value, uint64_t *out)
{
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *out = (uint64_t)json_integer_value(value);
        return true;
    }
    return json_is_string(value) &&
           parse_u64(json_string_value(value), json_string_length(value), out);
}
