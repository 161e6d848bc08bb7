/* SPDX-License-Identifier: Apache-2.0 */
/* Declared shapes: words become sizes. A shape such as "Q D/parts" is one expression a dimension,
   factors joined by * and /, worked out from left to right. */
#include "methods/method.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

bool symbols_get(const struct symbols *s, const char *name, size_t n, uint64_t *size)
{
    for (size_t i = 0; i < s->count; i++)
        if (strlen(s->entry[i].name) == n && memcmp(s->entry[i].name, name, n) == 0) {
            *size = s->entry[i].size;
            return true;
        }
    return false;
}

enum status symbols_set(struct symbols *s, const char *name, size_t n, uint64_t size,
                        struct error *e)
{
    for (size_t i = 0; i < s->count; i++)
        if (strlen(s->entry[i].name) == n && memcmp(s->entry[i].name, name, n) == 0) {
            s->entry[i].size = size;
            return ST_OK;
        }
    if (s->count == SYMBOLS_MAX || n >= sizeof s->entry[0].name)
        return error_set(e, ST_INTERNAL, "no room for the size %.*s", (int)n, name);
    memcpy(s->entry[s->count].name, name, n);
    s->entry[s->count].name[n] = '\0';
    s->entry[s->count++].size = size;
    return ST_OK;
}

void symbols_init(struct symbols *s, const struct method *m, uint64_t rows, uint32_t dim,
                  const struct value *value)
{
    s->count = 0;
    /* Cannot fail: names and their number are ours (SYMBOLS_MAX > METHOD_SETTINGS_MAX + 2). */
    (void)!symbols_set(s, "N", 1, rows, NULL);
    (void)!symbols_set(s, "D", 1, dim, NULL);
    for (size_t i = 0; i < m->settings_count; i++) {
        const char *name = m->settings[i].name;

        if (m->settings[i].type == SETTING_INT && value[i].set && value[i].i >= 0)
            (void)!symbols_set(s, name, strlen(name), (uint64_t)value[i].i, NULL);
    }
}

enum result { KNOWN, UNKNOWN, IMPOSSIBLE };

static bool digits(const char *s, size_t n, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        *value = *value * 10 + (uint64_t)(s[i] - '0'); /* declarations hold small numbers */
    }
    return n > 0;
}

/* One dimension, `n` characters. IMPOSSIBLE: overflow, or a division that leaves a remainder. */
static enum result dimension(const struct symbols *s, const char *text, size_t n, uint64_t *size)
{
    const char *end = text + n;
    char op = '*';
    uint64_t total = 1, factor;

    for (;;) {
        size_t length = 0;

        while (text + length < end && text[length] != '*' && text[length] != '/')
            length++;
        if (!digits(text, length, &factor) && !symbols_get(s, text, length, &factor))
            return UNKNOWN;
        if (op == '*') {
            if (__builtin_mul_overflow(total, factor, &total))
                return IMPOSSIBLE;
        } else {
            if (factor == 0 || total % factor)
                return IMPOSSIBLE;
            total /= factor;
        }
        text += length;
        if (text == end)
            break;
        op = *text++;
    }
    *size = total;
    return KNOWN;
}

/* Step to the next dimension of a declared shape; false at the end. */
static bool next_word(const char **shape, const char **word, size_t *n)
{
    *word = *shape + strspn(*shape, " ");
    *n = strcspn(*word, " ");
    *shape = *word + *n;
    return *n > 0;
}

enum status shape_evaluate(const struct tensor_decl *d, const struct symbols *s, struct tensor *t,
                           struct error *e)
{
    const char *shape = d->shape, *word;
    size_t n, count = 1, bytes;
    unsigned rank = 0;
    uint64_t sizes[TENSOR_RANK_MAX];

    for (; next_word(&shape, &word, &n); rank++) {
        switch (dimension(s, word, n, &sizes[rank])) {
        case KNOWN:
            break;
        case UNKNOWN:
            return error_set(e, ST_INTERNAL, "tensor \"%s\": nothing says what %.*s is", d->name,
                             (int)n, word);
        case IMPOSSIBLE:
            return error_set(e, ST_INVALID, "tensor \"%s\": %.*s is not a size", d->name, (int)n,
                             word);
        }
        if (!size_mul(count, sizes[rank], &count))
            return error_set(e, ST_EXHAUSTED, "tensor \"%s\" is larger than memory", d->name);
    }
    if (!size_mul(count, dtype_size(t->dtype), &bytes))
        return error_set(e, ST_EXHAUSTED, "tensor \"%s\" is larger than memory", d->name);
    memcpy(t->shape, sizes, rank * sizeof sizes[0]);
    t->rank = rank;
    t->count = count;
    t->bytes = bytes;
    return ST_OK;
}

/* "[12, 64]" */
static void shape_text(char *out, size_t size, const struct tensor *t)
{
    size_t used = (size_t)snprintf(out, size, "[");

    for (unsigned i = 0; i < t->rank && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%" PRIu64, i ? ", " : "", t->shape[i]);
    if (used < size)
        snprintf(out + used, size - used, "]");
}

/* "[collisions = 12, D = 64]" */
static void declared_text(char *out, size_t size, const struct tensor_decl *d,
                          const struct symbols *s)
{
    const char *shape = d->shape, *word;
    size_t n, used = (size_t)snprintf(out, size, "[");
    uint64_t number;

    for (bool first = true; used < size && next_word(&shape, &word, &n); first = false) {
        used +=
            (size_t)snprintf(out + used, size - used, "%s%.*s", first ? "" : ", ", (int)n, word);
        if (used < size && dimension(s, word, n, &number) == KNOWN)
            used += (size_t)snprintf(out + used, size - used, " = %" PRIu64, number);
    }
    if (used < size)
        snprintf(out + used, size - used, "]");
}

enum status shape_match(const struct tensor_decl *d, struct symbols *s, const struct tensor *t,
                        struct error *e)
{
    const char *shape = d->shape, *word;
    char actual[200], declared[200];
    enum status st;
    unsigned rank = 0;
    size_t n;

    for (; next_word(&shape, &word, &n); rank++) {
        uint64_t size;

        if (rank >= t->rank)
            goto wrong;
        switch (dimension(s, word, n, &size)) {
        case KNOWN:
            if (size != t->shape[rank])
                goto wrong;
            break;
        case UNKNOWN:
            if (memchr(word, '*', n) || memchr(word, '/', n))
                return error_set(e, ST_INVALID,
                                 "tensor \"%s\" needs another one that gives the sizes in %.*s",
                                 t->name ? t->name : d->name, (int)n, word);
            if ((st = symbols_set(s, word, n, t->shape[rank], e)) != ST_OK)
                return st;
            break;
        case IMPOSSIBLE:
            return error_set(e, ST_INVALID, "tensor \"%s\": %.*s is not a size", d->name, (int)n,
                             word);
        }
    }
    if (rank == t->rank)
        return ST_OK;
wrong:
    shape_text(actual, sizeof actual, t);
    declared_text(declared, sizeof declared, d, s);
    return error_set(e, ST_INVALID, "tensor \"%s\" has the shape %s; it must be %s",
                     t->name ? t->name : d->name, actual, declared);
}
