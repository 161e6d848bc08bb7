/* SPDX-License-Identifier: Apache-2.0 */
/* The scan is a loop over tokens that keeps nothing but counts and the name it saw last at the
   outer level, for its sentences. No state; any thread. */
#include "table/json_scan.h"

#include <string.h>

#include "base/text.h"

#define NUMBER_MOST 64 /* longest number in characters; Python writes at most 25 */

struct scan {
    const char *p, *end;
    const struct json_limits *limits;
    uint64_t tokens;
    unsigned depth;
    const char *name; /* last string at depth 1: the key whose value is being read */
    size_t name_n;
    struct error *e;
};

/* "\"weight\": " before a sentence about its value, or nothing. */
static enum status refuse(struct scan *s, const char *sentence, const char *text, size_t n)
{
    const char *shown = text ? QUOTE_N(text, n) : "";

    if (s->name)
        return error_set(s->e, ST_INVALID, "%s: %s%s", QUOTE_N(s->name, s->name_n), sentence,
                         shown);
    return error_set(s->e, ST_INVALID, "%s%s", sentence, shown);
}

static enum status scan_string(struct scan *s)
{
    const char *start = s->p + 1, *p = start;

    while (p < s->end && *p != '"') {
        if ((unsigned char)*p < 0x20)
            return refuse(s, "has a control character in a string", NULL, 0);
        if (*p == '\\')
            p++;
        p++;
    }
    if (p >= s->end)
        return refuse(s, "has a string that does not end", NULL, 0);
    if (s->depth == 1) {
        s->name = start;
        s->name_n = (size_t)(p - start);
    }
    s->p = p + 1;
    return ST_OK;
}

static bool number_char(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static enum status scan_number(struct scan *s)
{
    const char *start = s->p;
    char copy[NUMBER_MOST + 1];
    uint64_t natural;
    int64_t integer;
    double real;
    size_t n;

    while (s->p < s->end && number_char(*s->p))
        s->p++;
    n = (size_t)(s->p - start);
    if (n > NUMBER_MOST)
        return refuse(s, "has a number of too many digits, ", start, n);
    memcpy(copy, start, n);
    copy[n] = '\0';
    if (s->limits->plain) {
        if (strspn(copy, "0123456789") != n || (copy[0] == '0' && n > 1))
            return refuse(s, "a number is not written in plain digits: ", start, n);
        if (!parse_u64(copy, n, &natural) || natural > INT64_MAX)
            return refuse(s, "a number is above 2^63 - 1: ", start, n);
        return ST_OK;
    }
    if (!strpbrk(copy, ".eE"))
        return parse_i64(copy, n, &integer) ? ST_OK
                                            : refuse(s, "this is not a 64-bit integer: ", start, n);
    return parse_double(copy, &real) ? ST_OK : refuse(s, "this is not a finite number: ", start, n);
}

static enum status scan_token(struct scan *s)
{
    char c = *s->p;

    if (++s->tokens > s->limits->tokens)
        return error_set(s->e, ST_INVALID, "has more than %llu JSON tokens",
                         (unsigned long long)s->limits->tokens);
    if (c == '"')
        return scan_string(s);
    if (number_char(c) && c != 'e' && c != 'E')
        return scan_number(s);
    if (c == '{' || c == '[') {
        if (++s->depth > s->limits->depth)
            return refuse(s, "is nested too deeply", NULL, 0);
    } else if (c == '}' || c == ']') {
        s->depth--; /* the loop ends when it is 0 */
    } else if (c >= 'a' && c <= 'z') {
        while (s->p + 1 < s->end && s->p[1] >= 'a' && s->p[1] <= 'z')
            s->p++;
    } else if (c != ',' && c != ':') {
        return refuse(s, "has a byte that is not JSON: ", s->p, 1);
    }
    s->p++;
    return ST_OK;
}

enum status json_scan(struct json_span *out, const char *text, size_t n,
                      const struct json_limits *limits, struct error *e)
{
    struct scan s = {.p = text, .end = text + n, .limits = limits, .e = e};
    const char *start;
    enum status st;

    while (s.p < s.end && *s.p == ' ')
        s.p++;
    start = s.p;
    if (s.p == s.end)
        return error_set(e, ST_INVALID, "is empty");
    if (*s.p != '{' && *s.p != '[')
        return error_set(e, ST_INVALID,
                         "does not begin with { or [ (only spaces may stand before it)");
    do {
        if (*s.p == ' ' || *s.p == '\t' || *s.p == '\n' || *s.p == '\r') {
            s.p++;
            continue;
        }
        st = scan_token(&s);
        if (st != ST_OK)
            return st;
    } while (s.depth > 0 && s.p < s.end);
    if (s.depth > 0)
        return error_set(e, ST_INVALID, "ends before its JSON does");
    out->text = start;
    out->n = (size_t)(s.p - start);
    for (; s.p < s.end; s.p++)
        if (*s.p != ' ')
            return error_set(e, ST_INVALID, "has %s after the JSON; only spaces may follow it",
                             QUOTE_N(s.p, 1));
    return ST_OK;
}
