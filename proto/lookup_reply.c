/* SPDX-License-Identifier: Apache-2.0 */
/* LookupResponse, written around its values and read in place. No state; any thread. */
#include "proto/lookup_coding.h"

#include "base/memory.h"
#include "proto/fields.h"
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

size_t lookup_reply_head(const struct table_vectors *v, void *out)
{
    unsigned char *p = out;

    p = wire_put_tag(p, REPLY_RESULTS, WIRE_BYTES);
    p = wire_put_varint(p, vectors_size(v));
    p = wire_put_number(p, VECTORS_DIM, v->dim);
    p = wire_put_number(p, VECTORS_ROWS, v->rows);
    if (v->value_bytes) {
        p = wire_put_tag(p, v->packed ? VECTORS_PACKED : VECTORS_VALUES, WIRE_BYTES);
        p = wire_put_varint(p, v->value_bytes);
    }
    return (size_t)(p - (unsigned char *)out);
}

size_t lookup_reply_tail_size(const struct table_vectors *v)
{
    return wire_number_size(v->version) + wire_bytes_size(v->missing_count * 4);
}

size_t lookup_reply_tail(const struct table_vectors *v, void *out)
{
    unsigned char *p = wire_put_number(out, VECTORS_VERSION, v->version);

    if (v->missing_count) {
        p = wire_put_tag(p, VECTORS_MISSING, WIRE_BYTES);
        p = wire_put_varint(p, v->missing_count * 4);
    }
    for (size_t i = 0; i < v->missing_count; i++)
        p = wire_put_u32(p, v->missing[i]);
    return (size_t)(p - (unsigned char *)out);
}

size_t lookup_reply_end(uint64_t lsn, void *out)
{
    return (size_t)(wire_put_number(out, REPLY_LSN, lsn) - (unsigned char *)out);
}

struct reply {
    struct table_vectors *result;
    size_t count;
    uint64_t lsn;
};

#define AT(member) offsetof(struct reply, member)
#define RESULT_AT(member) offsetof(struct table_vectors, member)

static const struct field reply_fields[] = {
    {FIELD_PARTS, AT(result), AT(count), NULL},
    {FIELD_NUMBER, AT(lsn), 0, NULL},
};

static const struct field result_fields[] = {
    {FIELD_SMALL, RESULT_AT(dim), 0, NULL},
    {FIELD_SMALL, RESULT_AT(rows), 0, NULL},
    {FIELD_WORDS, RESULT_AT(received_values), 0, NULL},
    {FIELD_BYTES, RESULT_AT(received_packed), 0, NULL},
    {FIELD_NUMBER, RESULT_AT(version), 0, NULL},
    {FIELD_WORDS, RESULT_AT(received_missing), 0, NULL},
};

static const struct message message = {
    .name = "LookupResponse",
    .field = reply_fields,
    .fields = sizeof reply_fields / sizeof *reply_fields,
    .part = "result",
    .parts = "results",
    .part_field = result_fields,
    .part_fields = sizeof result_fields / sizeof *result_fields,
    .part_bytes = sizeof(struct table_vectors),
};

enum status lookup_reply_read(struct table_vectors **v, size_t *count, uint64_t *lsn,
                              const void *data, size_t n, struct arena *arena, struct error *e)
{
    struct reply reply = {0};
    enum status st = message_read(&message, &reply, data, n, arena, e);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < reply.count; i++) {
        struct table_vectors *r = &reply.result[i];

        if (r->received_values.size && r->received_packed.size)
            return error_set(e, ST_INTERNAL, "LookupResponse: result %zu has values in two formats",
                             i);
        r->packed = r->received_packed.size > 0;
        if (r->packed)
            r->received_values = r->received_packed;
        r->value_bytes = r->received_values.size;
        r->missing_count = r->received_missing.size / 4;
    }
    *v = reply.result;
    *count = reply.count;
    *lsn = reply.lsn;
    return ST_OK;
}
