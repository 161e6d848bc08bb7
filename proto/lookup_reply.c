/* SPDX-License-Identifier: Apache-2.0 */
/* LookupResponse, laid out around its values and read in place. No state; any thread. */
#include "proto/lookup_coding.h"

#include "base/memory.h"
#include "proto/array.h"
#include "proto/wire.h"

enum { REPLY_RESULTS = 1, REPLY_LSN = 2 };
enum {
    VECTORS_DIM = 1,
    VECTORS_ROWS = 2,
    VECTORS_VALUES = 3,
    VECTORS_PACKED = 4,
    VECTORS_VERSION = 5,
    VECTORS_MISSING = 6
};

#define FRAME 16 /* at most: a tag and a length */

/* Bytes of one result without its own tag and length; SIZE_MAX if it does not fit in memory. */
static size_t vectors_size(const struct table_vectors *v)
{
    size_t missing, total;

    if (!size_mul(v->missing_count, 4, &missing) || missing > SIZE_MAX - FRAME ||
        v->value_bytes > SIZE_MAX - FRAME)
        return SIZE_MAX;
    total = wire_number_size(v->dim) + wire_number_size(v->rows) + wire_number_size(v->version);
    if (!size_add(total, wire_bytes_size(v->value_bytes), &total) ||
        !size_add(total, wire_bytes_size(missing), &total))
        return SIZE_MAX;
    return total;
}

size_t lookup_reply_size(const struct table_vectors *v, size_t count, uint64_t lsn)
{
    size_t total = wire_number_size(lsn);

    for (size_t i = 0; i < count; i++) {
        size_t n = vectors_size(&v[i]);

        if (n > SIZE_MAX - FRAME || !size_add(total, 1 + wire_varint_size(n) + n, &total))
            return SIZE_MAX;
    }
    return total;
}

static unsigned char *put_missing(unsigned char *p, const struct table_vectors *v)
{
    if (!v->missing_count)
        return p;
    p = wire_put_tag(p, VECTORS_MISSING, WIRE_BYTES);
    p = wire_put_varint(p, v->missing_count * 4);
    for (size_t i = 0; i < v->missing_count; i++)
        p = wire_put_u32(p, v->missing[i]);
    return p;
}

void lookup_reply_layout(struct table_vectors *v, size_t count, uint64_t lsn, void *out)
{
    unsigned char *p = out;

    for (size_t i = 0; i < count; i++) {
        p = wire_put_tag(p, REPLY_RESULTS, WIRE_BYTES);
        p = wire_put_varint(p, vectors_size(&v[i]));
        p = wire_put_number(p, VECTORS_DIM, v[i].dim);
        p = wire_put_number(p, VECTORS_ROWS, v[i].rows);
        if (v[i].value_bytes) {
            p = wire_put_tag(p, v[i].packed ? VECTORS_PACKED : VECTORS_VALUES, WIRE_BYTES);
            p = wire_put_varint(p, v[i].value_bytes);
        }
        v[i].values = p;
        p += v[i].value_bytes;
        p = wire_put_number(p, VECTORS_VERSION, v[i].version);
        p = put_missing(p, &v[i]);
    }
    wire_put_number(p, REPLY_LSN, lsn);
}

static enum status no_room(struct error *e, const struct arena *arena)
{
    return error_set(e, ST_EXHAUSTED,
                     "LookupResponse: its results do not fit in %zu bytes of memory beside it",
                     arena->cap);
}

static bool read_small(const struct wire_field *f, uint32_t *v)
{
    *v = (uint32_t)f->value; /* the upper half is dropped, as protobuf does */
    return f->type == WIRE_VARINT;
}

static enum status read_vectors(struct table_vectors *v, const void *data, size_t n, size_t index,
                                struct arena *arena, struct error *e)
{
    struct wire_array values = {.width = 4}, missing = {.width = 4};
    struct bytes packed = {0};
    struct wire_reader r;
    struct wire_field f;

    *v = (struct table_vectors){0};
    wire_reader_init(&r, data, n);
    while (wire_next(&r, &f)) {
        bool good = true;

        switch (f.number) {
        case VECTORS_DIM:
            good = read_small(&f, &v->dim);
            break;
        case VECTORS_ROWS:
            good = read_small(&f, &v->rows);
            break;
        case VECTORS_VALUES:
            good = wire_array_add(&values, &f);
            break;
        case VECTORS_PACKED:
            good = f.type == WIRE_BYTES;
            packed = (struct bytes){f.data, f.size};
            break;
        case VECTORS_VERSION:
            good = f.type == WIRE_VARINT;
            v->version = f.value;
            break;
        case VECTORS_MISSING:
            good = wire_array_add(&missing, &f);
            break;
        }
        if (!good)
            return error_set(e, ST_INTERNAL,
                             "LookupResponse: result %zu: field %u has the wrong type or length",
                             index, f.number);
    }
    if (r.bad)
        return error_set(e, ST_INTERNAL, "LookupResponse: result %zu is not a protobuf message",
                         index);
    if (values.size && packed.size)
        return error_set(e, ST_INTERNAL, "LookupResponse: result %zu has values in two formats",
                         index);
    if (!wire_array_join(&values, VECTORS_VALUES, data, n, arena) ||
        !wire_array_join(&missing, VECTORS_MISSING, data, n, arena))
        return no_room(e, arena);
    v->packed = packed.size > 0;
    v->received_values = v->packed ? packed : (struct bytes){values.data, values.size};
    v->value_bytes = v->received_values.size;
    v->received_missing = (struct bytes){missing.data, missing.size};
    v->missing_count = missing.size / 4;
    return ST_OK;
}

/* The first pass: everything but the results, which are counted. */
static enum status read_frame(size_t *count, uint64_t *lsn, const void *data, size_t n,
                              struct error *e)
{
    struct wire_reader r;
    struct wire_field f;

    *count = 0;
    *lsn = 0;
    wire_reader_init(&r, data, n);
    while (wire_next(&r, &f)) {
        if ((f.number == REPLY_RESULTS && f.type != WIRE_BYTES) ||
            (f.number == REPLY_LSN && f.type != WIRE_VARINT))
            return error_set(e, ST_INTERNAL, "LookupResponse: field %u has the wrong type",
                             f.number);
        if (f.number == REPLY_RESULTS)
            ++*count;
        if (f.number == REPLY_LSN)
            *lsn = f.value;
    }
    if (r.bad)
        return error_set(e, ST_INTERNAL, "the message is not a LookupResponse");
    return ST_OK;
}

enum status lookup_reply_read(struct table_vectors **v, size_t *count, uint64_t *lsn,
                              const void *data, size_t n, struct arena *arena, struct error *e)
{
    struct table_vectors *results = NULL;
    size_t results_count, done = 0;
    uint64_t position;
    struct wire_reader r;
    struct wire_field f;
    enum status st;

    st = read_frame(&results_count, &position, data, n, e);
    if (st != ST_OK)
        return st;
    if (results_count) {
        results = arena_alloc(arena, results_count, sizeof *results);
        if (!results)
            return no_room(e, arena);
    }
    wire_reader_init(&r, data, n);
    while (wire_next(&r, &f)) {
        if (f.number != REPLY_RESULTS)
            continue;
        st = read_vectors(&results[done], f.data, f.size, done, arena, e);
        if (st != ST_OK)
            return st;
        done++;
    }
    *v = results;
    *count = results_count;
    *lsn = position;
    return ST_OK;
}
