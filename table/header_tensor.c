/* SPDX-License-Identifier: Apache-2.0 */
/* The entries of a safetensors header: types, shapes, places. No state; any thread. */
#include "table/header_tensor.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"

#define NAME(t) QUOTE((t)->tensor.name)

static enum status read_dtype(struct file_tensor *t, const json_t *value, struct error *e)
{
    /* Types of safetensors that no method of ours uses. */
    static const char *const foreign[] = {"F4",          "F6_E2M3",     "F6_E3M2",
                                          "F8_E5M2",     "F8_E4M3",     "F8_E8M0",
                                          "F8_E5M2FNUZ", "F8_E4M3FNUZ", "C64"};
    const char *s = json_string_value(value);
    int dtype;

    if (!s)
        return error_set(e, ST_INVALID, "tensor %s: \"dtype\" is not a string", NAME(t));
    dtype = dtype_parse(s, json_string_length(value));
    if (dtype >= 0) {
        t->tensor.dtype = (enum dtype)dtype;
        return ST_OK;
    }
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        if (!strcmp(s, foreign[i]))
            return error_set(e, ST_INVALID, "tensor %s is %s, a type that embd does not read",
                             NAME(t), s);
    return error_set(e, ST_INVALID, "tensor %s has the unknown type %s", NAME(t), QUOTE(s));
}

/* The scan has made sure that every integer is plain digits up to 2^63 - 1. */
static enum status read_shape(struct file_tensor *t, const json_t *value, struct error *e)
{
    size_t count = 1, rank = json_array_size(value);

    if (!json_is_array(value))
        return error_set(e, ST_INVALID, "tensor %s: \"shape\" is not a list", NAME(t));
    if (rank > TENSOR_RANK_MAX)
        return error_set(e, ST_INVALID, "tensor %s has %zu dimensions; at most %d are read",
                         NAME(t), rank, TENSOR_RANK_MAX);
    for (size_t i = 0; i < rank; i++) {
        const json_t *size = json_array_get(value, i);

        if (!json_is_integer(size))
            return error_set(e, ST_INVALID,
                             "tensor %s: its shape holds something else than integers", NAME(t));
        t->tensor.shape[i] = (uint64_t)json_integer_value(size);
        if (!size_mul(count, t->tensor.shape[i], &count))
            return error_set(e, ST_INVALID, "tensor %s: the product of its shape is too large",
                             NAME(t));
    }
    t->tensor.rank = (unsigned)rank;
    t->tensor.count = count;
    if (!size_mul(count, dtype_size(t->tensor.dtype), &t->tensor.bytes))
        return error_set(e, ST_INVALID, "tensor %s: its shape times the size of %s is too large",
                         NAME(t), dtype_name(t->tensor.dtype));
    return ST_OK;
}

static enum status read_offsets(struct file_tensor *t, const json_t *value, struct error *e)
{
    const json_t *first = json_array_get(value, 0), *last = json_array_get(value, 1);
    uint64_t begin, end;

    if (json_array_size(value) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return error_set(e, ST_INVALID, "tensor %s: \"data_offsets\" is not a list of two integers",
                         NAME(t));
    begin = (uint64_t)json_integer_value(first);
    end = (uint64_t)json_integer_value(last);
    if (end < begin)
        return error_set(e, ST_INVALID, "tensor %s ends at byte %llu, before it begins at %llu",
                         NAME(t), (unsigned long long)end, (unsigned long long)begin);
    if (end - begin != t->tensor.bytes)
        return error_set(e, ST_INVALID, "tensor %s has %llu bytes; its shape of %s needs %zu",
                         NAME(t), (unsigned long long)(end - begin), dtype_name(t->tensor.dtype),
                         t->tensor.bytes);
    t->offset = begin;
    return ST_OK;
}

enum status header_tensor_read(struct file_tensor *t, const json_t *entry, struct error *e)
{
    static const struct {
        const char *key;
        enum status (*read)(struct file_tensor *t, const json_t *value, struct error *e);
    } part[] = {{"dtype", read_dtype}, {"shape", read_shape}, {"data_offsets", read_offsets}};
    const size_t parts = sizeof part / sizeof part[0];
    const char *key;
    json_t *value;
    enum status st;

    if (!json_is_object(entry))
        return error_set(e, ST_INVALID, "tensor %s is not described by an object", NAME(t));
    for (size_t i = 0; i < parts; i++) {
        value = json_object_get(entry, part[i].key);
        if (!value)
            return error_set(e, ST_INVALID, "tensor %s: \"%s\" is missing", NAME(t), part[i].key);
        st = part[i].read(t, value, e);
        if (st != ST_OK)
            return st;
    }
    if (json_object_size(entry) == parts)
        return ST_OK;
    json_object_foreach((json_t *)entry, key, value)
    {
        size_t i = 0;

        while (i < parts && strcmp(key, part[i].key))
            i++;
        if (i == parts)
            break;
    }
    return error_set(e, ST_INVALID, "tensor %s: unknown key %s", NAME(t), QUOTE(key));
}

static int by_place(const void *a, const void *b)
{
    const struct file_tensor *x = a, *y = b;

    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    if (x->tensor.bytes != y->tensor.bytes) /* empty tensors stand before the one they touch */
        return x->tensor.bytes < y->tensor.bytes ? -1 : 1;
    return strcmp(x->tensor.name, y->tensor.name);
}

enum status header_layout_check(struct file_tensor *t, size_t count, uint64_t data_bytes,
                                struct error *e)
{
    uint64_t end = 0;

    if (count)
        qsort(t, count, sizeof *t, by_place);
    for (size_t i = 0; i < count; i++) {
        if (t[i].offset > end)
            return error_set(e, ST_INVALID,
                             "tensor %s begins at byte %llu of the data; the one before it ends at "
                             "%llu, and no hole may be left",
                             NAME(&t[i]), (unsigned long long)t[i].offset, (unsigned long long)end);
        if (t[i].offset < end)
            return error_set(
                e, ST_INVALID,
                "tensor %s begins at byte %llu of the data and overlaps %s, which ends "
                "at %llu",
                NAME(&t[i]), (unsigned long long)t[i].offset, NAME(&t[i - 1]),
                (unsigned long long)end);
        /* No sum of two numbers below 2^63 overflows. */
        end = t[i].offset + t[i].tensor.bytes;
        if (end > data_bytes)
            return error_set(e, ST_INVALID,
                             "tensor %s ends at byte %llu of the data, which has %llu", NAME(&t[i]),
                             (unsigned long long)end, (unsigned long long)data_bytes);
    }
    if (end != data_bytes)
        return error_set(e, ST_INVALID,
                         "the data area has %llu bytes, of which the tensors fill %llu",
                         (unsigned long long)data_bytes, (unsigned long long)end);
    return ST_OK;
}
