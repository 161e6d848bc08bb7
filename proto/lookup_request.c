/* SPDX-License-Identifier: Apache-2.0 */
/* LookupRequest, read in place and written exactly. No state; any thread. */
#include "proto/lookup_coding.h"

#include "proto/fields.h"

#define AT(member) offsetof(struct lookup_request, member)
#define LOOKUP_AT(member) offsetof(struct table_lookup, member)

static const struct field request_fields[] = {
    {FIELD_PARTS, AT(lookup), AT(count), NULL},
    {FIELD_ENUM, AT(format), 0, NULL},
    {FIELD_ENUM, AT(missing), 0, NULL},
};

static const struct field lookup_fields[] = {
    {FIELD_TEXT, LOOKUP_AT(table), 0, "table"}, {FIELD_LONGS, LOOKUP_AT(ids), 0, NULL},
    {FIELD_ENUM, LOOKUP_AT(pooling), 0, NULL},  {FIELD_WORDS, LOOKUP_AT(offsets), 0, NULL},
    {FIELD_WORDS, LOOKUP_AT(weights), 0, NULL}, {FIELD_NUMBER, LOOKUP_AT(min_version), 0, NULL},
};

static const struct message message = {
    .name = "LookupRequest",
    .field = request_fields,
    .fields = sizeof request_fields / sizeof *request_fields,
    .part = "lookup",
    .parts = "lookups",
    .part_field = lookup_fields,
    .part_fields = sizeof lookup_fields / sizeof *lookup_fields,
    .part_bytes = sizeof(struct table_lookup),
};

enum status lookup_request_read(struct lookup_request *out, const void *data, size_t n,
                                struct arena *arena, struct error *e)
{
    struct lookup_request request = {0};
    enum status st = message_read(&message, &request, data, n, arena, e);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < request.count; i++)
        request.ids += request.lookup[i].ids.size / 8;
    *out = request;
    return ST_OK;
}

size_t lookup_request_size(const struct lookup_request *r)
{
    return message_size(&message, r);
}

void lookup_request_write(const struct lookup_request *r, void *out)
{
    message_write(&message, r, out);
}

size_t lookup_request_gather_size(const struct lookup_request *r, size_t *pieces)
{
    return message_gather_size(&message, r, pieces);
}

void lookup_request_gather(const struct lookup_request *r, void *out, struct bytes *piece)
{
    message_gather(&message, r, out, piece);
}
