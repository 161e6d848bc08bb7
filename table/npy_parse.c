/* SPDX-License-Identifier: Apache-2.0 */
/* The header of an .npy file: a Python dictionary of three known keys, read by hand and not
   evaluated. No state; any thread. */
#include <endian.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "table/npy.h"
#include "table/npy_types.h"

#define MAGIC "\x93NUMPY"
#define MAGIC_BYTES 6
#define HEADER_MOST 10000 /* numpy's own cap */

struct reader {
    const char *p, *end;
    struct tensor *t;
    bool have_type, have_order, have_shape, fortran;
    struct error *e;
};

static void skip_space(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
        r->p++;
}

/* Step over `c`, and the spaces before and after it. */
static bool take(struct reader *r, char c)
{
    skip_space(r);
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    skip_space(r);
    return true;
}

static bool take_word(struct reader *r, const char *word)
{
    size_t n = strlen(word);

    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n))
        return false;
    r->p += n;
    return true;
}

static enum status malformed(const struct reader *r, const char *what)
{
    return error_set(r->e, ST_INVALID, "the header's %s is malformed", what);
}

/* 'text' or "text", without escapes, which none of the known words needs. */
static bool take_string(struct reader *r, const char **s, size_t *n)
{
    const char *start = r->p, *close;

    if (r->p == r->end || (*r->p != '\'' && *r->p != '"'))
        return false;
    close = memchr(start + 1, *start, (size_t)(r->end - start) - 1);
    if (!close)
        return false;
    *s = start + 1;
    *n = (size_t)(close - start) - 1;
    r->p = close + 1;
    return !memchr(*s, '\\', *n);
}

static enum status read_type(struct reader *r)
{
    const char *s;
    size_t n;

    if (r->p < r->end && *r->p == '[')
        return error_set(r->e, ST_INVALID,
                         "the array has fields (a structured type), which embd does "
                         "not read");
    if (!take_string(r, &s, &n))
        return malformed(r, "descr");
    for (size_t i = 0; i < n; i++)
        if (s[i] == 'O')
            return error_set(r->e, ST_INVALID,
                             "the array holds Python objects (a pickle), which embd never reads");
    for (int d = 0; d < DT_COUNT; d++)
        if (npy_types[d] && strlen(npy_types[d]) == n && !memcmp(npy_types[d], s, n)) {
            r->t->dtype = (enum dtype)d;
            return ST_OK;
        }
    return error_set(r->e, ST_INVALID,
                     "the array has the type %s; embd reads little-endian numbers such as \"<f4\"",
                     QUOTE_N(s, n));
}

static enum status read_order(struct reader *r)
{
    if (take_word(r, "True"))
        r->fortran = true;
    else if (!take_word(r, "False"))
        return malformed(r, "fortran_order");
    return ST_OK;
}

static enum status read_shape(struct reader *r)
{
    struct tensor *t = r->t;
    bool comma = true;

    if (!take(r, '('))
        return malformed(r, "shape");
    for (t->rank = 0; !take(r, ')'); comma = take(r, ',')) {
        const char *start = r->p;

        if (!comma)
            return malformed(r, "shape");
        if (t->rank == TENSOR_RANK_MAX)
            return error_set(r->e, ST_INVALID, "the array has more than %d dimensions",
                             TENSOR_RANK_MAX);
        while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
            r->p++;
        if (!parse_u64(start, (size_t)(r->p - start), &t->shape[t->rank]) ||
            t->shape[t->rank] > INT64_MAX)
            return malformed(r, "shape");
        t->rank++;
    }
    /* "(3)" is a number and no tuple. */
    return t->rank == 1 && !comma ? malformed(r, "shape") : ST_OK;
}

static enum status read_entry(struct reader *r)
{
    static const struct {
        const char *key;
        size_t have;
        enum status (*read)(struct reader *r);
    } entries[] = {{"descr", offsetof(struct reader, have_type), read_type},
                   {"fortran_order", offsetof(struct reader, have_order), read_order},
                   {"shape", offsetof(struct reader, have_shape), read_shape}};
    const char *key;
    size_t n;

    if (!take_string(r, &key, &n) || !take(r, ':'))
        return malformed(r, "dictionary");
    for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
        bool *have = (bool *)((char *)r + entries[i].have);

        if (strlen(entries[i].key) != n || memcmp(entries[i].key, key, n))
            continue;
        if (*have)
            return error_set(r->e, ST_INVALID, "the header names %s twice", entries[i].key);
        *have = true;
        return entries[i].read(r);
    }
    return error_set(r->e, ST_INVALID, "the header has the unknown key %s", QUOTE_N(key, n));
}

static enum status read_dictionary(struct reader *r)
{
    bool comma = true;
    enum status st;

    if (!take(r, '{'))
        return malformed(r, "dictionary");
    for (; !take(r, '}'); comma = take(r, ',')) {
        if (!comma)
            return malformed(r, "dictionary");
        st = read_entry(r);
        if (st != ST_OK)
            return st;
    }
    if (r->p != r->end)
        return malformed(r, "end");
    if (!r->have_type || !r->have_order || !r->have_shape)
        return error_set(r->e, ST_INVALID, "the header lacks %s",
                         !r->have_type    ? "descr"
                         : !r->have_order ? "fortran_order"
                                          : "shape");
    if (r->fortran && r->t->rank > 1)
        return error_set(r->e, ST_INVALID,
                         "the array is in Fortran order; save it with numpy.ascontiguousarray()");
    return ST_OK;
}

static enum status check_size(struct tensor *t, uint64_t bytes, struct error *e)
{
    size_t count = 1;

    for (unsigned i = 0; i < t->rank; i++)
        if (!size_mul(count, t->shape[i], &count))
            return error_set(e, ST_INVALID, "the product of the shape is too large");
    t->count = count;
    if (!size_mul(count, dtype_size(t->dtype), &t->bytes))
        return error_set(e, ST_INVALID, "the product of the shape is too large");
    if (t->bytes != bytes)
        return error_set(e, ST_INVALID, "the array has %llu bytes of data; its shape needs %zu",
                         (unsigned long long)bytes, t->bytes);
    return ST_OK;
}

enum status npy_parse(struct tensor *out, uint64_t *offset, const unsigned char *start, size_t n,
                      uint64_t size, struct error *e)
{
    struct tensor t = {0};
    struct reader r = {.t = &t, .e = e};
    uint32_t length = 0;
    size_t prefix;
    enum status st;

    if (n < MAGIC_BYTES + 4 || memcmp(start, MAGIC, MAGIC_BYTES))
        return error_set(e, ST_INVALID, "not an .npy file");
    if (start[6] < 1 || start[6] > 3 || start[7] != 0)
        return error_set(e, ST_INVALID, ".npy version %d.%d is not known (1.0 to 3.0 are)",
                         start[6], start[7]);
    prefix = start[6] == 1 ? MAGIC_BYTES + 4 : MAGIC_BYTES + 6;
    if (n < prefix)
        return error_set(e, ST_INVALID, "the file ends within its header");
    memcpy(&length, start + 8, prefix - 8);
    length = le32toh(length);
    if (length > HEADER_MOST)
        return error_set(e, ST_INVALID, "the header has %u bytes; at most %d are read",
                         (unsigned)length, HEADER_MOST);
    if (length > n - prefix || length > size - prefix)
        return error_set(e, ST_INVALID, "the file ends within its header");
    r.p = (const char *)start + prefix;
    r.end = r.p + length;
    st = read_dictionary(&r);
    if (st == ST_OK)
        st = check_size(&t, size - prefix - length, e);
    if (st != ST_OK)
        return st;
    *out = t;
    *offset = prefix + length;
    return ST_OK;
}
