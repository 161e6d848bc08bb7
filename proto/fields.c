/* SPDX-License-Identifier: Apache-2.0 */
/* Reads messages by their tables of fields. Two passes over a message with parts: the first one
   takes everything else and counts them, so that their array is made once. */
#include "proto/fields.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "proto/array.h"
#include "proto/wire.h"

#define NO_PART SIZE_MAX

/* What is being read, for sentences. */
struct place {
    const struct message *message;
    size_t part; /* or NO_PART */
    struct arena *arena;
    struct error *error;
};

static const char *place_name(const struct place *in, char out[64])
{
    if (in->part == NO_PART)
        snprintf(out, 64, "%s", in->message->name);
    else
        snprintf(out, 64, "%s: %s %zu", in->message->name, in->message->part, in->part);
    return out;
}

static enum status no_room(const struct place *in)
{
    return error_set(in->error, ST_EXHAUSTED,
                     "%s does not fit in the %zu bytes of memory that it may take beside its bytes",
                     place_name(in, (char[64]){0}), in->arena->cap);
}

static enum status wrong_field(const struct place *in, const struct field *field,
                               const struct wire_field *f)
{
    char name[64];

    if (field->type == FIELD_TEXT && f->type == WIRE_BYTES)
        return error_set(in->error, ST_INTERNAL, "%s: the %s %s is not UTF-8", place_name(in, name),
                         field->name, QUOTE_N(f->data, f->size));
    return error_set(in->error, ST_INTERNAL, "%s: field %u has the wrong type or length",
                     place_name(in, name), f->number);
}

/* Bytes of an element of an array that is read in place; 0: it is none. */
static size_t element_bytes(enum field_type type)
{
    return type == FIELD_WORDS ? 4 : type == FIELD_LONGS ? 8 : 0;
}

/* Count the numbers of one appearance of a repeated uint64. */
static bool count_numbers(const struct wire_field *f, size_t *count)
{
    struct wire_reader r;
    uint64_t v;

    if (f->type == WIRE_VARINT) {
        ++*count;
        return true;
    }
    wire_reader_init(&r, f->data, f->size);
    while (f->type == WIRE_BYTES && r.next < r.end && wire_varint(&r, &v))
        ++*count;
    return f->type == WIRE_BYTES && !r.bad;
}

/* A varint is true if any bit is set, also one above the 64th. */
static bool any_bit(const struct wire_field *f)
{
    bool any = false;

    for (size_t i = 0; i < f->size; i++)
        any |= (f->data[i] & 0x7f) != 0;
    return any;
}

/* Take one field; false if it has the wrong type or length. Arrays are only noted. */
static bool take(const struct field *field, const struct wire_field *f, struct wire_array *array,
                 unsigned char *out)
{
    void *at = out + field->at;

    switch (field->type) {
    case FIELD_NUMBER:
        memcpy(at, &f->value, sizeof f->value);
        return f->type == WIRE_VARINT;
    case FIELD_SMALL:
    case FIELD_ENUM:
        *(uint32_t *)at = (uint32_t)f->value; /* the upper half is dropped, as protobuf does */
        return f->type == WIRE_VARINT;
    case FIELD_BOOL:
        *(bool *)at = f->type == WIRE_VARINT && any_bit(f);
        return f->type == WIRE_VARINT;
    case FIELD_FLOAT:
        memcpy(at, &(uint32_t){(uint32_t)f->value}, sizeof(float));
        *(bool *)(out + field->with) = true;
        return f->type == WIRE_FIXED32;
    case FIELD_TEXT:
    case FIELD_BYTES:
        *(struct bytes *)at = (struct bytes){f->data, f->size};
        return f->type == WIRE_BYTES &&
               (field->type == FIELD_BYTES || utf8_valid(f->data, f->size));
    case FIELD_WORDS:
    case FIELD_LONGS:
        return wire_array_add(array, f);
    case FIELD_NUMBERS:
        return count_numbers(f, (size_t *)(void *)(out + field->with));
    case FIELD_PARTS:
        ++*(size_t *)(void *)(out + field->with);
        return f->type == WIRE_BYTES;
    }
    return false;
}

/* All appearances of a repeated uint64, whose number is known, in an array of their own. */
static enum status gather_numbers(const struct place *in, const struct field *field,
                                  uint32_t number, const void *data, size_t n, unsigned char *out)
{
    size_t count = *(size_t *)(void *)(out + field->with), done = 0;
    uint64_t *list = count ? arena_alloc(in->arena, count, sizeof *list) : NULL;
    struct wire_reader r, packed;
    struct wire_field f;

    if (count && !list)
        return no_room(in);
    wire_reader_init(&r, data, n);
    while (done < count && wire_next(&r, &f)) {
        if (f.number != number)
            continue;
        wire_reader_init(&packed, f.data, f.size); /* of one number alone, too */
        while (packed.next < packed.end && wire_varint(&packed, &list[done]))
            done++;
    }
    memcpy(out + field->at, &list, sizeof list);
    return ST_OK;
}

/* The fields of one message, but for what is in its parts. */
static enum status read_fields(const struct place *in, const struct field *field, size_t fields,
                               const void *data, size_t n, unsigned char *out)
{
    struct wire_array array[FIELDS_MAX] = {{0}};
    struct wire_reader r;
    struct wire_field f;
    enum status st = ST_OK;

    assert(fields <= FIELDS_MAX);
    for (size_t i = 0; i < fields; i++)
        array[i].width = element_bytes(field[i].type);
    wire_reader_init(&r, data, n);
    while (wire_next(&r, &f))
        if (f.number <= fields && !take(&field[f.number - 1], &f, &array[f.number - 1], out))
            return wrong_field(in, &field[f.number - 1], &f);
    if (r.bad && in->part == NO_PART)
        return error_set(in->error, ST_INTERNAL, "the message is not a %s", in->message->name);
    if (r.bad)
        return error_set(in->error, ST_INTERNAL, "%s is not a protobuf message",
                         place_name(in, (char[64]){0}));
    for (size_t i = 0; i < fields && st == ST_OK; i++) {
        if (field[i].type == FIELD_NUMBERS) {
            st = gather_numbers(in, &field[i], (uint32_t)i + 1, data, n, out);
        } else if (array[i].width) {
            if (!wire_array_join(&array[i], (uint32_t)i + 1, data, n, in->arena))
                st = no_room(in);
            *(struct bytes *)(void *)(out + field[i].at) =
                (struct bytes){array[i].data, array[i].size};
        }
    }
    return st;
}

/* The second pass: the parts, which are field `number` and have been counted. */
static enum status read_parts(struct place *in, const struct field *field, uint32_t number,
                              const void *data, size_t n, unsigned char *out)
{
    const struct message *m = in->message;
    size_t count = *(size_t *)(void *)(out + field->with);
    unsigned char *list;
    struct wire_reader r;
    struct wire_field f;
    enum status st;

    if (!count)
        return ST_OK;
    list = arena_zero(in->arena, count, m->part_bytes);
    if (!list)
        return error_set(in->error, ST_EXHAUSTED,
                         "%s: %zu %s do not fit in the %zu bytes of memory that it may take beside "
                         "its bytes",
                         m->name, count, m->parts, in->arena->cap);
    memcpy(out + field->at, &list, sizeof list);
    in->part = 0;
    wire_reader_init(&r, data, n);
    while (wire_next(&r, &f)) {
        if (f.number != number)
            continue;
        st = read_fields(in, m->part_field, m->part_fields, f.data, f.size,
                         list + in->part * m->part_bytes);
        if (st != ST_OK)
            return st;
        in->part++;
    }
    return ST_OK;
}

enum status message_read(const struct message *m, void *out, const void *data, size_t n,
                         struct arena *arena, struct error *e)
{
    struct place in = {m, NO_PART, arena, e};
    enum status st = read_fields(&in, m->field, m->fields, data, n, out);

    for (size_t i = 0; i < m->fields && st == ST_OK; i++)
        if (m->field[i].type == FIELD_PARTS)
            st = read_parts(&in, &m->field[i], (uint32_t)i + 1, data, n, out);
    return st;
}
