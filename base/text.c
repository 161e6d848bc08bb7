/* SPDX-License-Identifier: Apache-2.0 */
/* Quoting and strict reading of what people and peers write. No state; any thread. */
#include "base/text.h"

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define QUOTE_CUT 128 /* escaped bytes after which a quoted text is cut */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

const char *text_quote(struct quoted *q, const void *s, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    static const char cut[] = "\u2026";
    const unsigned char *in = s;
    char *out = q->text;

    *out++ = '"';
    for (size_t i = 0; i < n; i++) {
        char escape = in[i] == '\n'                   ? 'n'
                      : in[i] == '\t'                 ? 't'
                      : in[i] == '"' || in[i] == '\\' ? (char)in[i]
                                                      : 0;

        if (out - q->text > QUOTE_CUT) {
            memcpy(out, cut, sizeof cut - 1);
            out += sizeof cut - 1;
            break;
        }
        if (escape) {
            *out++ = '\\';
            *out++ = escape;
        } else if (in[i] < 0x20 || in[i] > 0x7e) {
            *out++ = '\\';
            *out++ = 'x';
            *out++ = hex[in[i] >> 4];
            *out++ = hex[in[i] & 15];
        } else {
            *out++ = (char)in[i];
        }
    }
    *out++ = '"';
    *out = '\0';
    return q->text;
}

bool utf8_valid(const void *s, size_t n)
{
    /* Of each first byte: how many follow, and the range of the second, which rules out overlong
       forms, surrogates and what lies above U+10FFFF. */
    static const struct {
        unsigned char first, last, more, low, high;
    } rows[] = {
        {0x00, 0x7f, 0, 0, 0},       {0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf},
        {0xe1, 0xec, 2, 0x80, 0xbf}, {0xed, 0xed, 2, 0x80, 0x9f}, {0xee, 0xef, 2, 0x80, 0xbf},
        {0xf0, 0xf0, 3, 0x90, 0xbf}, {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
    };
    const unsigned char *p = s, *end = p + n;

    while (p < end) {
        size_t row = 0, count = sizeof rows / sizeof rows[0];

        while (row < count && (*p < rows[row].first || *p > rows[row].last))
            row++;
        if (row == count || rows[row].more > end - p - 1)
            return false;
        for (int i = 1; i <= rows[row].more; i++) {
            if (p[i] < (i == 1 ? rows[row].low : 0x80) || p[i] > (i == 1 ? rows[row].high : 0xbf))
                return false;
        }
        p += 1 + rows[row].more;
    }
    return true;
}

bool table_name_valid(const char *s, size_t n)
{
    if (n < 1 || n > 128 || s[0] == '.')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!(s[i] >= 'A' && s[i] <= 'Z') && !(s[i] >= 'a' && s[i] <= 'z') && !is_digit(s[i]) &&
            s[i] != '_' && s[i] != '.' && s[i] != '-')
            return false;
    return true;
}

bool parse_u64(const char *s, size_t n, uint64_t *out)
{
    uint64_t value = 0;

    if (n == 0 || (s[0] == '0' && n > 1))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!is_digit(s[i]) || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (unsigned)(s[i] - '0'), &value))
            return false;
    *out = value;
    return true;
}

bool parse_i64(const char *s, size_t n, int64_t *out)
{
    bool negative = n > 0 && s[0] == '-';
    uint64_t value;

    if (!parse_u64(s + negative, n - negative, &value))
        return false;
    if (value > (uint64_t)INT64_MAX + negative || (negative && value == 0))
        return false;
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

bool parse_double(const char *s, double *out)
{
    const char *p = s + (*s == '-' || *s == '+');
    size_t before = strspn(p, "0123456789"), after = 0;
    char *end;
    double value;

    /* The shape is checked here, since strtod() also takes spaces, hex, "inf" and "nan". */
    p += before;
    if (*p == '.') {
        after = strspn(++p, "0123456789");
        p += after;
    }
    if (before + after == 0)
        return false;
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '-' || *p == '+';
        if (!is_digit(*p))
            return false;
        p += strspn(p, "0123456789");
    }
    if (*p)
        return false;
    pthread_once(&c_locale_once, make_c_locale);
    value = strtod_l(s, &end, c_locale);
    if (end != p || !isfinite(value))
        return false;
    *out = value;
    return true;
}

struct unit {
    const char *name;
    uint64_t factor;
};

/* "12", "1.5 GiB": a decimal number, at most one space, a unit. Without a unit it is `bare`, 0 if a
   unit is needed; a fraction needs a unit. */
static bool parse_quantity(const char *s, const struct unit *units, uint64_t bare, uint64_t *out)
{
    size_t whole = strspn(s, "0123456789");
    uint64_t value, factor = bare, fraction = 0, scale = 1;
    const char *p = s + whole;

    if (!parse_u64(s, whole, &value))
        return false;
    if (*p == '.') {
        size_t digits = strspn(++p, "0123456789");

        if (digits < 1 || digits > 6)
            return false;
        for (; digits; digits--, p++) {
            fraction = fraction * 10 + (unsigned)(*p - '0');
            scale *= 10;
        }
    }
    if (*p) {
        p += *p == ' ';
        while (units->name && strcmp(units->name, p))
            units++;
        if (!units->name)
            return false;
        factor = units->factor;
    } else if (scale > 1) {
        return false;
    }
    /* No factor is above 2^40 and no fraction above 10^6: their product fits. */
    fraction = fraction * factor / scale;
    if (!factor || __builtin_mul_overflow(value, factor, &value) ||
        __builtin_add_overflow(value, fraction, &value))
        return false;
    *out = value;
    return true;
}

bool parse_bytes(const char *s, uint64_t *out)
{
    static const struct unit units[] = {
        {"B", 1},
        {"KiB", 1u << 10},
        {"MiB", 1u << 20},
        {"GiB", 1u << 30},
        {"TiB", 1ull << 40},
        {"kB", 1000},
        {"MB", 1000 * 1000},
        {"GB", 1000000000},
        {"TB", 1000000000000},
        {NULL, 0},
    };

    return parse_quantity(s, units, 1, out);
}

bool parse_duration(const char *s, uint64_t *us)
{
    static const struct unit units[] = {
        {"us", 1},         {"ms", 1000},       {"s", 1000000}, {"m", 60000000},
        {"h", 3600000000}, {"d", 86400000000}, {NULL, 0},
    };

    if (!strcmp(s, "0")) {
        *us = 0;
        return true;
    }
    return parse_quantity(s, units, 0, us);
}

bool parse_bool(const char *s, bool *out)
{
    static const char *const words[2][4] = {{"no", "false", "off", "0"},
                                            {"yes", "true", "on", "1"}};

    for (int value = 0; value < 2; value++)
        for (int i = 0; i < 4; i++)
            if (!strcmp(s, words[value][i])) {
                *out = value;
                return true;
            }
    return false;
}
