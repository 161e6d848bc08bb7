/* SPDX-License-Identifier: Apache-2.0 */
/* Writes messages by their tables of fields, as protobuf does: in the order of the numbers, and
   nothing for what is zero or empty. */
#include <string.h>

#include "proto/fields.h"
#include "proto/wire.h"

/* A list that a field points at, and how long it is. */
struct list {
    const unsigned char *data;
    size_t count;
};

static struct list list_of(const struct field *field, const unsigned char *from)
{
    struct list l;

    memcpy(&l.data, from + field->at, sizeof l.data);
    memcpy(&l.count, from + field->with, sizeof l.count);
    return l;
}

/* The value of a field that is a varint on the wire. */
static uint64_t varint_of(const struct field *field, const unsigned char *from)
{
    const void *at = from + field->at;

    switch (field->type) {
    case FIELD_NUMBER:
        return *(const uint64_t *)at;
    case FIELD_ENUM: /* an int32 to protobuf, and a negative one is written as ten bytes */
        return (uint64_t)(int64_t) * (const int32_t *)at;
    case FIELD_BOOL:
        return *(const bool *)at;
    default:
        return *(const uint32_t *)at;
    }
}

static uint64_t number_at(const struct list *l, size_t i)
{
    uint64_t v;

    memcpy(&v, l->data + i * sizeof v, sizeof v);
    return v;
}

static size_t numbers_bytes(const struct list *l)
{
    size_t total = 0;

    for (size_t i = 0; i < l->count; i++)
        total += wire_varint_size(number_at(l, i));
    return total;
}

static size_t fields_size(const struct message *m, const struct field *field, size_t fields,
                          const unsigned char *from);

static size_t part_size(const struct message *m, const struct list *l, size_t i)
{
    return fields_size(m, m->part_field, m->part_fields, l->data + i * m->part_bytes);
}

static size_t field_size(const struct message *m, const struct field *field,
                         const unsigned char *from)
{
    struct list l;
    size_t total = 0;

    switch (field->type) {
    case FIELD_FLOAT:
        return *(const bool *)(from + field->with) ? 1 + sizeof(float) : 0;
    case FIELD_TEXT:
    case FIELD_BYTES:
    case FIELD_WORDS:
    case FIELD_LONGS:
        return wire_bytes_size(((const struct bytes *)(const void *)(from + field->at))->size);
    case FIELD_NUMBERS:
        l = list_of(field, from);
        return wire_bytes_size(numbers_bytes(&l));
    case FIELD_PARTS:
        l = list_of(field, from);
        for (size_t i = 0; i < l.count; i++) {
            size_t n = part_size(m, &l, i);

            total += 1 + wire_varint_size(n) + n;
        }
        return total;
    default:
        return wire_number_size(varint_of(field, from));
    }
}

static size_t fields_size(const struct message *m, const struct field *field, size_t fields,
                          const unsigned char *from)
{
    size_t total = 0;

    for (size_t i = 0; i < fields; i++)
        total += field_size(m, &field[i], from);
    return total;
}

static unsigned char *put_fields(unsigned char *p, const struct message *m,
                                 const struct field *field, size_t fields,
                                 const unsigned char *from);

static unsigned char *put_field(unsigned char *p, const struct message *m,
                                const struct field *field, uint32_t number,
                                const unsigned char *from)
{
    const struct bytes *bytes;
    struct list l;
    uint32_t word;

    switch (field->type) {
    case FIELD_FLOAT:
        if (!*(const bool *)(from + field->with))
            return p;
        memcpy(&word, from + field->at, sizeof word);
        return wire_put_u32(wire_put_tag(p, number, WIRE_FIXED32), word);
    case FIELD_TEXT:
    case FIELD_BYTES:
    case FIELD_WORDS:
    case FIELD_LONGS:
        bytes = (const void *)(from + field->at);
        return wire_put_bytes(p, number, bytes->data, bytes->size);
    case FIELD_NUMBERS:
        l = list_of(field, from);
        if (!l.count)
            return p;
        p = wire_put_varint(wire_put_tag(p, number, WIRE_BYTES), numbers_bytes(&l));
        for (size_t i = 0; i < l.count; i++)
            p = wire_put_varint(p, number_at(&l, i));
        return p;
    case FIELD_PARTS:
        l = list_of(field, from);
        for (size_t i = 0; i < l.count; i++) {
            p = wire_put_varint(wire_put_tag(p, number, WIRE_BYTES), part_size(m, &l, i));
            p = put_fields(p, m, m->part_field, m->part_fields, l.data + i * m->part_bytes);
        }
        return p;
    default:
        return wire_put_number(p, number, varint_of(field, from));
    }
}

static unsigned char *put_fields(unsigned char *p, const struct message *m,
                                 const struct field *field, size_t fields,
                                 const unsigned char *from)
{
    for (size_t i = 0; i < fields; i++)
        p = put_field(p, m, &field[i], (uint32_t)i + 1, from);
    return p;
}

size_t message_size(const struct message *m, const void *from)
{
    return fields_size(m, m->field, m->fields, from);
}

void message_write(const struct message *m, const void *from, void *out)
{
    put_fields(out, m, m->field, m->fields, from);
}
