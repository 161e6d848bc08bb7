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

/* Where the encoded message goes. */
struct writer {
    unsigned char *p;
    /* Of a message in pieces: the one that is being written. NULL: all of it goes to one place. */
    struct bytes *piece;
};

static void put_bytes(struct writer *w, uint32_t number, const struct bytes *bytes)
{
    if (!w->piece || bytes->size < MESSAGE_ARRAY_MIN) {
        w->p = wire_put_bytes(w->p, number, bytes->data, bytes->size);
        return;
    }
    w->p = wire_put_varint(wire_put_tag(w->p, number, WIRE_BYTES), bytes->size);
    w->piece->size = (size_t)(w->p - (const unsigned char *)w->piece->data);
    *++w->piece = *bytes;
    *++w->piece = (struct bytes){w->p, 0};
}

static void put_fields(struct writer *w, const struct message *m, const struct field *field,
                       size_t fields, const unsigned char *from);

static void put_field(struct writer *w, const struct message *m, const struct field *field,
                      uint32_t number, const unsigned char *from)
{
    struct list l;
    uint32_t word;

    switch (field->type) {
    case FIELD_FLOAT:
        if (!*(const bool *)(from + field->with))
            return;
        memcpy(&word, from + field->at, sizeof word);
        w->p = wire_put_u32(wire_put_tag(w->p, number, WIRE_FIXED32), word);
        return;
    case FIELD_TEXT:
    case FIELD_BYTES:
    case FIELD_WORDS:
    case FIELD_LONGS:
        put_bytes(w, number, (const void *)(from + field->at));
        return;
    case FIELD_NUMBERS:
        l = list_of(field, from);
        if (!l.count)
            return;
        w->p = wire_put_varint(wire_put_tag(w->p, number, WIRE_BYTES), numbers_bytes(&l));
        for (size_t i = 0; i < l.count; i++)
            w->p = wire_put_varint(w->p, number_at(&l, i));
        return;
    case FIELD_PARTS:
        l = list_of(field, from);
        for (size_t i = 0; i < l.count; i++) {
            w->p = wire_put_varint(wire_put_tag(w->p, number, WIRE_BYTES), part_size(m, &l, i));
            put_fields(w, m, m->part_field, m->part_fields, l.data + i * m->part_bytes);
        }
        return;
    default:
        w->p = wire_put_number(w->p, number, varint_of(field, from));
    }
}

static void put_fields(struct writer *w, const struct message *m, const struct field *field,
                       size_t fields, const unsigned char *from)
{
    for (size_t i = 0; i < fields; i++)
        put_field(w, m, &field[i], (uint32_t)i + 1, from);
}

size_t message_size(const struct message *m, const void *from)
{
    return fields_size(m, m->field, m->fields, from);
}

void message_write(const struct message *m, const void *from, void *out)
{
    put_fields(&(struct writer){out, NULL}, m, m->field, m->fields, from);
}

/* Note the arrays that message_gather() leaves where they are. */
static void count_arrays(const struct message *m, const struct field *field, size_t fields,
                         const unsigned char *from, size_t *bytes, size_t *count)
{
    for (size_t i = 0; i < fields; i++) {
        if (field[i].type >= FIELD_TEXT && field[i].type <= FIELD_LONGS) {
            const struct bytes *array = (const void *)(from + field[i].at);

            *bytes += array->size >= MESSAGE_ARRAY_MIN ? array->size : 0;
            *count += array->size >= MESSAGE_ARRAY_MIN;
        } else if (field[i].type == FIELD_PARTS) {
            struct list l = list_of(&field[i], from);

            for (size_t k = 0; k < l.count; k++)
                count_arrays(m, m->part_field, m->part_fields, l.data + k * m->part_bytes, bytes,
                             count);
        }
    }
}

size_t message_gather_size(const struct message *m, const void *from, size_t *pieces)
{
    size_t bytes = 0, count = 0;

    count_arrays(m, m->field, m->fields, from, &bytes, &count);
    *pieces = 1 + 2 * count;
    return message_size(m, from) - bytes;
}

void message_gather(const struct message *m, const void *from, void *out, struct bytes *piece)
{
    struct writer w = {out, piece};

    *piece = (struct bytes){out, 0};
    put_fields(&w, m, m->field, m->fields, from);
    w.piece->size = (size_t)(w.p - (const unsigned char *)w.piece->data);
}
