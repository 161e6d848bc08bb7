/* SPDX-License-Identifier: Apache-2.0 */
/* LookupRequest, read in place and written exactly. No state; any thread. */
#include "proto/lookup_coding.h"

#include "base/text.h"
#include "proto/array.h"
#include "proto/wire.h"

enum { REQUEST_LOOKUPS = 1, REQUEST_FORMAT = 2, REQUEST_MISSING = 3 };
enum {
    LOOKUP_TABLE = 1,
    LOOKUP_IDS = 2,
    LOOKUP_POOLING = 3,
    LOOKUP_OFFSETS = 4,
    LOOKUP_WEIGHTS = 5,
    LOOKUP_MIN_VERSION = 6
};

static bool read_number(const struct wire_field *f, uint64_t *v)
{
    *v = f->value;
    return f->type == WIRE_VARINT;
}

static bool read_small(const struct wire_field *f, uint32_t *v)
{
    *v = (uint32_t)f->value; /* the upper half is dropped, as protobuf does */
    return f->type == WIRE_VARINT;
}

static bool read_name(const struct wire_field *f, struct bytes *name)
{
    *name = (struct bytes){f->data, f->size};
    return f->type == WIRE_BYTES && utf8_valid(f->data, f->size);
}

static struct bytes array_bytes(const struct wire_array *a)
{
    return (struct bytes){a->data, a->size};
}

static enum status no_room(struct error *e, const struct arena *arena, size_t index)
{
    return error_set(e, ST_EXHAUSTED,
                     "LookupRequest: lookup %zu does not fit in the %zu bytes of memory that a "
                     "request may take beside its message",
                     index, arena->cap);
}

static enum status read_lookup(struct table_lookup *l, const void *data, size_t n, size_t index,
                               struct arena *arena, struct error *e)
{
    struct wire_array ids = {.width = 8}, offsets = {.width = 4}, weights = {.width = 4};
    struct wire_reader r;
    struct wire_field f;

    *l = (struct table_lookup){0};
    wire_reader_init(&r, data, n);
    while (wire_next(&r, &f)) {
        bool good = true;

        switch (f.number) {
        case LOOKUP_TABLE:
            good = read_name(&f, &l->table);
            break;
        case LOOKUP_IDS:
            good = wire_array_add(&ids, &f);
            break;
        case LOOKUP_POOLING:
            good = read_small(&f, &l->pooling);
            break;
        case LOOKUP_OFFSETS:
            good = wire_array_add(&offsets, &f);
            break;
        case LOOKUP_WEIGHTS:
            good = wire_array_add(&weights, &f);
            break;
        case LOOKUP_MIN_VERSION:
            good = read_number(&f, &l->min_version);
            break;
        }
        if (!good && f.number == LOOKUP_TABLE && f.type == WIRE_BYTES)
            return error_set(e, ST_INTERNAL, "LookupRequest: lookup %zu: the table %s is not UTF-8",
                             index, QUOTE_N(f.data, f.size));
        if (!good)
            return error_set(e, ST_INTERNAL,
                             "LookupRequest: lookup %zu: field %u has the wrong type or length",
                             index, f.number);
    }
    if (r.bad)
        return error_set(e, ST_INTERNAL, "LookupRequest: lookup %zu is not a protobuf message",
                         index);
    if (!wire_array_join(&ids, LOOKUP_IDS, data, n, arena) ||
        !wire_array_join(&offsets, LOOKUP_OFFSETS, data, n, arena) ||
        !wire_array_join(&weights, LOOKUP_WEIGHTS, data, n, arena))
        return no_room(e, arena, index);
    l->ids = array_bytes(&ids);
    l->offsets = array_bytes(&offsets);
    l->weights = array_bytes(&weights);
    return ST_OK;
}

/* The first pass: everything but the lookups, which are counted. */
static enum status read_frame(struct lookup_request *out, const void *data, size_t n,
                              struct error *e)
{
    struct wire_reader r;
    struct wire_field f;

    wire_reader_init(&r, data, n);
    while (wire_next(&r, &f)) {
        bool good = true;

        switch (f.number) {
        case REQUEST_LOOKUPS:
            good = f.type == WIRE_BYTES;
            out->count++;
            break;
        case REQUEST_FORMAT:
            good = read_small(&f, &out->format);
            break;
        case REQUEST_MISSING:
            good = read_small(&f, &out->missing);
            break;
        }
        if (!good)
            return error_set(e, ST_INTERNAL, "LookupRequest: field %u has the wrong type",
                             f.number);
    }
    if (r.bad)
        return error_set(e, ST_INTERNAL, "the message is not a LookupRequest");
    return ST_OK;
}

enum status lookup_request_read(struct lookup_request *out, const void *data, size_t n,
                                struct arena *arena, struct error *e)
{
    struct lookup_request request = {0};
    struct wire_reader r;
    struct wire_field f;
    size_t done = 0;
    enum status st;

    st = read_frame(&request, data, n, e);
    if (st != ST_OK)
        return st;
    if (request.count)
        request.lookup = arena_alloc(arena, request.count, sizeof *request.lookup);
    if (request.count && !request.lookup)
        return error_set(e, ST_EXHAUSTED,
                         "LookupRequest: %zu lookups do not fit in the %zu bytes of memory that a "
                         "request may take beside its message",
                         request.count, arena->cap);
    wire_reader_init(&r, data, n);
    while (wire_next(&r, &f)) {
        if (f.number != REQUEST_LOOKUPS)
            continue;
        st = read_lookup(&request.lookup[done], f.data, f.size, done, arena, e);
        if (st != ST_OK)
            return st;
        request.ids += request.lookup[done++].ids.size / 8;
    }
    *out = request;
    return ST_OK;
}

/* An enum is an int32 to protobuf, and a negative one is written as ten bytes. */
static uint64_t enum_value(uint32_t v)
{
    return (uint64_t)(int64_t)(int32_t)v;
}

static size_t lookup_size(const struct table_lookup *l)
{
    return wire_bytes_size(l->table.size) + wire_bytes_size(l->ids.size) +
           wire_number_size(enum_value(l->pooling)) + wire_bytes_size(l->offsets.size) +
           wire_bytes_size(l->weights.size) + wire_number_size(l->min_version);
}

size_t lookup_request_size(const struct lookup_request *r)
{
    size_t total =
        wire_number_size(enum_value(r->format)) + wire_number_size(enum_value(r->missing));

    for (size_t i = 0; i < r->count; i++) {
        size_t n = lookup_size(&r->lookup[i]);

        total += 1 + wire_varint_size(n) + n;
    }
    return total;
}

static unsigned char *put_lookup(unsigned char *p, const struct table_lookup *l)
{
    p = wire_put_tag(p, REQUEST_LOOKUPS, WIRE_BYTES);
    p = wire_put_varint(p, lookup_size(l));
    p = wire_put_bytes(p, LOOKUP_TABLE, l->table.data, l->table.size);
    p = wire_put_bytes(p, LOOKUP_IDS, l->ids.data, l->ids.size);
    p = wire_put_number(p, LOOKUP_POOLING, enum_value(l->pooling));
    p = wire_put_bytes(p, LOOKUP_OFFSETS, l->offsets.data, l->offsets.size);
    p = wire_put_bytes(p, LOOKUP_WEIGHTS, l->weights.data, l->weights.size);
    return wire_put_number(p, LOOKUP_MIN_VERSION, l->min_version);
}

void lookup_request_write(const struct lookup_request *r, void *out)
{
    unsigned char *p = out;

    for (size_t i = 0; i < r->count; i++)
        p = put_lookup(p, &r->lookup[i]);
    p = wire_put_number(p, REQUEST_FORMAT, enum_value(r->format));
    wire_put_number(p, REQUEST_MISSING, enum_value(r->missing));
}
