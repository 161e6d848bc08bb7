/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf's wire format. No state beyond the reader's position; any thread. */
#include "proto/wire.h"

#define VARINT_MAX 10 /* bytes of a 64-bit varint */
#define HEADER_MAX 5  /* bytes of a tag or a length: both fit 32 bits */

void wire_reader_init(struct wire_reader *r, const void *data, size_t n)
{
    /* An empty message may have no address, and NULL + 0 is not allowed before C2x. */
    static const unsigned char nothing;

    r->next = n ? data : &nothing;
    r->end = r->next + n;
    r->bad = false;
}

static bool fail(struct wire_reader *r)
{
    r->next = r->end;
    r->bad = true;
    return false;
}

static bool read_varint(struct wire_reader *r, size_t bytes, uint64_t *v)
{
    size_t room = (size_t)(r->end - r->next);
    uint64_t value = 0;

    if (room < bytes)
        bytes = room;
    for (size_t i = 0; i < bytes; i++) {
        value |= (uint64_t)(r->next[i] & 0x7f) << (7 * i);
        if (!(r->next[i] & 0x80)) {
            r->next += i + 1;
            *v = value;
            return true;
        }
    }
    return fail(r);
}

bool wire_varint(struct wire_reader *r, uint64_t *v)
{
    return read_varint(r, VARINT_MAX, v);
}

static bool skip(struct wire_reader *r, struct wire_field *f, uint64_t n)
{
    if (n > (size_t)(r->end - r->next))
        return fail(r);
    f->data = r->next;
    f->size = (size_t)n;
    r->next += n;
    return true;
}

bool wire_next(struct wire_reader *r, struct wire_field *f)
{
    uint64_t tag, length;

    if (r->next == r->end || !read_varint(r, HEADER_MAX, &tag))
        return false;
    if (tag >> 3 == 0 || tag >> 3 > WIRE_FIELD_MAX)
        return fail(r);
    f->number = (uint32_t)(tag >> 3);
    f->value = 0;
    switch (tag & 7) {
    case WIRE_VARINT:
        f->type = WIRE_VARINT;
        f->data = r->next;
        if (!wire_varint(r, &f->value))
            return false;
        f->size = (size_t)(r->next - f->data);
        return true;
    case WIRE_FIXED64:
        f->type = WIRE_FIXED64;
        if (!skip(r, f, 8))
            return false;
        f->value = wire_get_u64(f->data);
        return true;
    case WIRE_FIXED32:
        f->type = WIRE_FIXED32;
        if (!skip(r, f, 4))
            return false;
        f->value = wire_get_u32(f->data);
        return true;
    case WIRE_BYTES:
        f->type = WIRE_BYTES;
        return read_varint(r, HEADER_MAX, &length) && skip(r, f, length);
    default: /* groups, which proto3 does not have, and two numbers without a meaning */
        return fail(r);
    }
}

size_t wire_varint_size(uint64_t v)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(v | 1);

    return (bits + 6) / 7;
}

unsigned char *wire_put_varint(unsigned char *p, uint64_t v)
{
    for (; v > 0x7f; v >>= 7)
        *p++ = (unsigned char)(v | 0x80);
    *p++ = (unsigned char)v;
    return p;
}

unsigned char *wire_put_tag(unsigned char *p, uint32_t number, enum wire_type type)
{
    return wire_put_varint(p, (uint64_t)number << 3 | type);
}

size_t wire_number_size(uint64_t v)
{
    return v ? 1 + wire_varint_size(v) : 0;
}

size_t wire_bytes_size(size_t n)
{
    return n ? 1 + wire_varint_size(n) + n : 0;
}

unsigned char *wire_put_number(unsigned char *p, uint32_t number, uint64_t v)
{
    return v ? wire_put_varint(wire_put_tag(p, number, WIRE_VARINT), v) : p;
}

unsigned char *wire_put_bytes(unsigned char *p, uint32_t number, const void *data, size_t n)
{
    if (!n)
        return p;
    p = wire_put_varint(wire_put_tag(p, number, WIRE_BYTES), n);
    memcpy(p, data, n);
    return p + n;
}
