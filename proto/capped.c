/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a message twice: once with our own reader for what protobuf-c does not check, once with
   protobuf-c into the arena. */
#include "proto/capped.h"

#include <limits.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "proto/wire.h"

#define DEPTH_MAX 32 /* messages within messages, should a schema contain itself; ours need 3 */

struct scan {
    const char *message;   /* the outermost type, for the sentences */
    const char *nul_field; /* the first string with a NUL */
    const char *nul_owner; /* its message */
    struct error *e;
};

static bool is_packable(const ProtobufCFieldDescriptor *field)
{
    return field->label == PROTOBUF_C_LABEL_REPEATED && field->type != PROTOBUF_C_TYPE_STRING &&
           field->type != PROTOBUF_C_TYPE_BYTES && field->type != PROTOBUF_C_TYPE_MESSAGE;
}

static enum wire_type wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_FIXED32;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_FIXED64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_BYTES;
    default:
        return WIRE_VARINT;
    }
}

static enum status scan_message(struct scan *s, const ProtobufCMessageDescriptor *d,
                                const void *data, size_t n, unsigned depth);

static enum status scan_field(struct scan *s, const ProtobufCMessageDescriptor *d,
                              const ProtobufCFieldDescriptor *field, const struct wire_field *f,
                              unsigned depth)
{
    if (f->type != wire_type_of(field->type) && !(f->type == WIRE_BYTES && is_packable(field)))
        return error_set(s->e, ST_INTERNAL, "%s: the field %s.%s has another type", s->message,
                         d->short_name, field->name);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return scan_message(s, field->descriptor, f->data, f->size, depth + 1);
    if (field->type != PROTOBUF_C_TYPE_STRING || !f->size)
        return ST_OK;
    if (!utf8_valid(f->data, f->size))
        return error_set(s->e, ST_INTERNAL, "%s: the string %s.%s is not UTF-8", s->message,
                         d->short_name, field->name);
    if (!s->nul_field && memchr(f->data, 0, f->size)) {
        s->nul_field = field->name;
        s->nul_owner = d->short_name;
    }
    return ST_OK;
}

static enum status scan_message(struct scan *s, const ProtobufCMessageDescriptor *d,
                                const void *data, size_t n, unsigned depth)
{
    struct wire_reader r;
    struct wire_field f;

    if (depth > DEPTH_MAX)
        return error_set(s->e, ST_INTERNAL, "%s: more than %d messages within one another",
                         s->message, DEPTH_MAX);
    wire_reader_init(&r, data, n);
    while (wire_next(&r, &f)) {
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(d, f.number);
        enum status st = field ? scan_field(s, d, field, &f, depth) : ST_OK;

        if (st != ST_OK)
            return st;
    }
    if (r.bad)
        return error_set(s->e, ST_INTERNAL, "%s: malformed protobuf in %s", s->message,
                         d->short_name);
    return ST_OK;
}

struct capped {
    struct arena *arena;
    bool failed;
};

static void *capped_alloc(void *data, size_t size)
{
    struct capped *c = data;
    void *p = arena_alloc(c->arena, size, 1);

    if (!p)
        c->failed = true;
    return p;
}

static void capped_free(void *data, void *p)
{
    (void)data; /* the arena frees all at once */
    (void)p;
}

size_t proto_cap(size_t n)
{
    size_t cap;

    return size_mul(n, 8, &cap) && size_add(cap, (size_t)64 << 10, &cap) ? cap : SIZE_MAX;
}

enum status proto_unpack(ProtobufCMessage **out, const ProtobufCMessageDescriptor *d,
                         const void *data, size_t n, struct arena *arena, struct error *e)
{
    struct scan scan = {.message = d->short_name, .e = e};
    struct capped capped = {.arena = arena};
    ProtobufCAllocator allocator = {capped_alloc, capped_free, &capped};
    ProtobufCMessage *message;
    enum status st;

    if (n > INT_MAX)
        return error_set(e, ST_INTERNAL, "%s: %zu bytes are more than protobuf allows",
                         d->short_name, n);
    st = scan_message(&scan, d, data, n, 0);
    if (st != ST_OK)
        return st;
    message = protobuf_c_message_unpack(d, &allocator, n, data);
    if (!message && capped.failed)
        return error_set(e, ST_EXHAUSTED,
                         "%s: a message of %zu bytes needs more than %zu bytes of memory",
                         d->short_name, n, arena->cap);
    if (!message)
        return error_set(e, ST_INTERNAL, "%s: malformed protobuf", d->short_name);
    if (scan.nul_field)
        return error_set(e, ST_INVALID, "%s: the string %s.%s holds a NUL byte", d->short_name,
                         scan.nul_owner, scan.nul_field);
    *out = message;
    return ST_OK;
}
