/* SPDX-License-Identifier: Apache-2.0 */
/* PushResponse. No state; any thread. */
#include "proto/push_coding.h"

#include "proto/fields.h"

#define AT(member) offsetof(struct push_reply, member)

static const struct field fields[] = {
    {FIELD_BOOL, AT(duplicate), 0, NULL},  {FIELD_NUMBERS, AT(versions), AT(count), NULL},
    {FIELD_NUMBER, AT(lsn), 0, NULL},      {FIELD_NUMBER, AT(skipped), 0, NULL},
    {FIELD_NUMBER, AT(admitted), 0, NULL},
};

static const struct message message = {
    .name = "PushResponse", .field = fields, .fields = sizeof fields / sizeof *fields};

size_t push_reply_size(const struct push_reply *r)
{
    return message_size(&message, r);
}

void push_reply_write(const struct push_reply *r, void *out)
{
    message_write(&message, r, out);
}

enum status push_reply_read(struct push_reply *out, const void *data, size_t n, struct arena *arena,
                            struct error *e)
{
    struct push_reply reply = {0};
    enum status st = message_read(&message, &reply, data, n, arena, e);

    if (st == ST_OK)
        *out = reply;
    return st;
}
