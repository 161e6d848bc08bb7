/* SPDX-License-Identifier: Apache-2.0 */
/* PushRequest, read in place and written exactly. No state; any thread. */
#include "proto/push_coding.h"

#include "base/hash.h"
#include "proto/fields.h"

#define AT(member) offsetof(struct push_request, member)
#define PUSH_AT(member) offsetof(struct table_push, member)

static const struct field request_fields[] = {
    {FIELD_TEXT, AT(trainer), 0, "trainer"},  {FIELD_NUMBER, AT(sequence), 0, NULL},
    {FIELD_PARTS, AT(push), AT(count), NULL}, {FIELD_FLOAT, AT(learning_rate), AT(has_rate), NULL},
    {FIELD_ENUM, AT(missing), 0, NULL},
};

static const struct field push_fields[] = {
    {FIELD_TEXT, PUSH_AT(table), 0, "table"},   {FIELD_LONGS, PUSH_AT(ids), 0, NULL},
    {FIELD_WORDS, PUSH_AT(gradients), 0, NULL}, {FIELD_ENUM, PUSH_AT(pooling), 0, NULL},
    {FIELD_WORDS, PUSH_AT(offsets), 0, NULL},   {FIELD_WORDS, PUSH_AT(weights), 0, NULL},
    {FIELD_ENUM, PUSH_AT(format), 0, NULL},     {FIELD_BYTES, PUSH_AT(packed), 0, NULL},
};

static const struct message message = {
    .name = "PushRequest",
    .field = request_fields,
    .fields = sizeof request_fields / sizeof *request_fields,
    .part = "push",
    .parts = "pushes",
    .part_field = push_fields,
    .part_fields = sizeof push_fields / sizeof *push_fields,
    .part_bytes = sizeof(struct table_push),
};

enum status push_request_read(struct push_request *out, const void *data, size_t n,
                              struct arena *arena, struct error *e)
{
    struct push_request request = {0};
    enum status st = message_read(&message, &request, data, n, arena, e);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < request.count; i++)
        request.ids += request.push[i].ids.size / 8;
    *out = request;
    return ST_OK;
}

size_t push_request_size(const struct push_request *r)
{
    return message_size(&message, r);
}

void push_request_write(const struct push_request *r, void *out)
{
    message_write(&message, r, out);
}

size_t push_request_gather_size(const struct push_request *r, size_t *pieces)
{
    return message_gather_size(&message, r, pieces);
}

void push_request_gather(const struct push_request *r, void *out, struct bytes *piece)
{
    message_gather(&message, r, out, piece);
}

void push_content(uint64_t content[2], const void *data, size_t n)
{
    hash_bytes128(content, data, n);
}
