/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers from arrays of any type and alignment into tensors. Integers must fit; float64 is rounded
   to the nearest float32. */
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "client/import/import.h"
#include "kernels/kernels.h"

#define CHUNK ((size_t)1 << 20) /* elements between two looks at the progress */

static bool is_float(enum dtype t)
{
    return t == DT_F16 || t == DT_BF16 || t == DT_F32 || t == DT_F64;
}

bool import_convertible(enum dtype from, enum dtype to)
{
    if (from == to)
        return true;
    if (is_float(to))
        return to == DT_F32 && is_float(from);
    return !is_float(from);
}

static float load_float(const unsigned char *at, enum dtype t)
{
    uint16_t half;
    uint32_t bits;
    double wide;
    float x;

    switch (t) {
    case DT_F16:
        memcpy(&half, at, sizeof half);
        return f32_from_f16(half);
    case DT_BF16:
        memcpy(&half, at, sizeof half);
        bits = (uint32_t)half << 16;
        memcpy(&x, &bits, sizeof x);
        return x;
    case DT_F64:
        memcpy(&wide, at, sizeof wide);
        return (float)wide;
    default:
        memcpy(&x, at, sizeof x);
        return x;
    }
}

/* False for numbers above 2^63 - 1. */
static bool load_integer(const unsigned char *at, enum dtype t, int64_t *out)
{
    size_t size = dtype_size(t);
    uint64_t bits = 0;
    bool is_signed = t == DT_I8 || t == DT_I16 || t == DT_I32 || t == DT_I64;

    for (size_t i = 0; i < size; i++)
        bits |= (uint64_t)at[i] << (8 * i);
    if (is_signed && size < 8 && bits >> (8 * size - 1))
        bits |= UINT64_MAX << (8 * size);
    *out = (int64_t)bits;
    return is_signed || *out >= 0;
}

static bool store_integer(unsigned char *at, enum dtype t, int64_t x)
{
    size_t size = dtype_size(t);
    bool is_signed = t == DT_I8 || t == DT_I16 || t == DT_I32 || t == DT_I64;
    int64_t most = size == 8 ? INT64_MAX : ((int64_t)1 << (8 * size - is_signed)) - 1;

    if (x > most || x < (is_signed ? -most - 1 : 0))
        return false;
    for (size_t i = 0; i < size; i++)
        at[i] = (unsigned char)((uint64_t)x >> (8 * i));
    return true;
}

struct copy {
    const unsigned char *from;
    unsigned char *to;
    enum dtype from_type, to_type;
    size_t from_size, to_size;
};

static enum status copy_one(const struct copy *c, size_t from, size_t to, struct error *e)
{
    const unsigned char *source = c->from + from * c->from_size;
    unsigned char *target = c->to + to * c->to_size;
    int64_t x;
    float value;

    if (c->from_type == c->to_type) {
        memcpy(target, source, c->to_size);
        return ST_OK;
    }
    if (is_float(c->to_type)) {
        value = load_float(source, c->from_type);
        memcpy(target, &value, sizeof value);
        return ST_OK;
    }
    if (!load_integer(source, c->from_type, &x))
        return error_set(e, ST_INVALID, "element %zu is above 2^63 - 1", from);
    if (store_integer(target, c->to_type, x))
        return ST_OK;
    return error_set(e, ST_INVALID, "element %zu is %lld, which %s does not hold", from,
                     (long long)x, dtype_name(c->to_type));
}

/* Where element `to` of the tensor comes from. */
static size_t place_of(const struct part_source *from, const struct tensor *to, size_t i)
{
    if (from->change == TURNED)
        return i % to->shape[1] * to->shape[0] + i / to->shape[1];
    return from->change == TABLE ? from->place * to->count + i : i;
}

enum status import_copy(struct tensor *to, const struct part_source *from,
                        bool (*done)(void *context, double share), void *context, struct error *e)
{
    const struct tensor *array = &from->array->tensor;
    const struct copy c = {.from = array->data,
                           .to = to->data,
                           .from_type = array->dtype,
                           .to_type = to->dtype,
                           .from_size = dtype_size(array->dtype),
                           .to_size = dtype_size(to->dtype)};
    enum status st = ST_OK;

    for (size_t first = 0; st == ST_OK && first < to->count; first += CHUNK) {
        size_t end = to->count - first < CHUNK ? to->count : first + CHUNK;

        if (c.from_type == c.to_type && from->change != TURNED)
            memcpy(c.to + first * c.to_size, c.from + place_of(from, to, first) * c.to_size,
                   (end - first) * c.to_size);
        else
            for (size_t i = first; st == ST_OK && i < end; i++)
                st = copy_one(&c, place_of(from, to, i), i, e);
        if (st == ST_OK && done && !done(context, (double)end / (double)to->count))
            st = error_set(e, ST_CANCELLED, "interrupted");
    }
    return st;
}
