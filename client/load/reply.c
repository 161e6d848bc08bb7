/* SPDX-License-Identifier: Apache-2.0 */
/* A protobuf parser that can stop after any byte. Tags, numbers and lengths are gathered byte by
   byte; what is long is stepped over, so that a reply costs its reader next to nothing. */
#include "client/load/reply.h"

#include <inttypes.h>

#include "base/text.h"
#include "proto/wire.h"

enum { AT_TAG, AT_NUMBER, AT_LENGTH, AT_BYTES };

enum { RESPONSE_RESULTS = 1, RESPONSE_LSN = 2 };
enum {
    VECTORS_DIM = 1,
    VECTORS_ROWS = 2,
    VECTORS_VALUES = 3,
    VECTORS_PACKED = 4,
    VECTORS_VERSION = 5,
    VECTORS_MISSING = 6
};

static enum status malformed(struct error *e)
{
    return error_set(e, ST_INTERNAL, "the reply is not a LookupResponse");
}

void reply_check_begin(struct reply_check *c, const struct load_plan *plan, const uint32_t *rows,
                       uint32_t length)
{
    *c = (struct reply_check){.plan = plan, .rows = rows, .state = AT_TAG, .end = length};
}

/* A result is complete: is it the answer to its lookup? */
static enum status check_result(struct reply_check *c, struct error *e)
{
    const struct load_table *table = &c->plan->table[c->results];
    const struct table_vectors *v = &c->result;
    uint32_t rows = c->rows[c->results];
    size_t bytes = rows * load_row_bytes(c->plan->format, table->dim);

    if (v->dim != table->dim)
        return error_set(e, ST_INTERNAL, "table %s: rows of dim %" PRIu32 " came, not %" PRIu32,
                         QUOTE(table->name), v->dim, table->dim);
    if (v->rows != rows)
        return error_set(e, ST_INTERNAL, "table %s: %" PRIu32 " rows came for %" PRIu32 " asked",
                         QUOTE(table->name), v->rows, rows);
    if (v->value_bytes && v->packed != (c->plan->format != 0))
        return error_set(e, ST_INTERNAL, "table %s: the rows came in another format",
                         QUOTE(table->name));
    if (v->value_bytes != bytes)
        return error_set(e, ST_INTERNAL, "table %s: %zu bytes of rows came, not %zu",
                         QUOTE(table->name), v->value_bytes, bytes);
    if (v->missing_count > c->plan->ids)
        return error_set(e, ST_INTERNAL, "table %s: %zu of %" PRIu32 " ids are called unknown",
                         QUOTE(table->name), v->missing_count, c->plan->ids);
    c->canonical += lookup_reply_size(v, 1, 0);
    c->missing += v->missing_count;
    c->results++;
    c->result_end = 0;
    return ST_OK;
}

static enum status begin_result(struct reply_check *c, uint64_t length, struct error *e)
{
    if (length > c->end - c->at)
        return malformed(e);
    if (c->results == c->plan->tables)
        return error_set(e, ST_INTERNAL, "the reply has more results than the %zu asked for",
                         c->plan->tables);
    c->result = (struct table_vectors){0};
    c->result_end = c->at + length;
    c->state = AT_TAG;
    return ST_OK;
}

/* `left` bytes follow that belong together: a field of bytes or a number of fixed size. */
static enum status begin_bytes(struct reply_check *c, uint64_t left, bool joined, struct error *e)
{
    struct table_vectors *v = &c->result;

    if (left > (c->result_end ? c->result_end : c->end) - c->at)
        return malformed(e);
    c->left = left;
    c->state = left ? AT_BYTES : AT_TAG;
    if (!c->result_end)
        return ST_OK;
    if (c->field == VECTORS_VALUES) {
        v->value_bytes += left;
    } else if (c->field == VECTORS_PACKED && joined) {
        v->value_bytes = left;
        v->packed = true;
    } else if (c->field == VECTORS_MISSING) {
        v->missing_count += left / 4;
    } else {
        return ST_OK;
    }
    return left % 4 && c->field != VECTORS_PACKED ? malformed(e) : ST_OK;
}

static enum status begin_field(struct reply_check *c, struct error *e)
{
    if (c->number > UINT32_MAX || c->number >> 3 == 0)
        return malformed(e);
    c->field = (uint32_t)(c->number >> 3);
    switch (c->number & 7) {
    case WIRE_VARINT:
        c->state = AT_NUMBER;
        return ST_OK;
    case WIRE_BYTES:
        c->state = AT_LENGTH;
        return ST_OK;
    case WIRE_FIXED32:
        return begin_bytes(c, 4, false, e);
    case WIRE_FIXED64:
        c->field = 0; /* no field of ours */
        return begin_bytes(c, 8, false, e);
    default:
        return malformed(e);
    }
}

/* A number is complete. */
static enum status take_number(struct reply_check *c, struct error *e)
{
    if (c->state == AT_TAG)
        return begin_field(c, e);
    if (c->state == AT_LENGTH)
        return !c->result_end && c->field == RESPONSE_RESULTS ? begin_result(c, c->number, e)
                                                              : begin_bytes(c, c->number, true, e);
    if (!c->result_end && c->field == RESPONSE_LSN)
        c->lsn = c->number;
    else if (c->result_end && c->field == VECTORS_DIM)
        c->result.dim = (uint32_t)c->number;
    else if (c->result_end && c->field == VECTORS_ROWS)
        c->result.rows = (uint32_t)c->number;
    else if (c->result_end && c->field == VECTORS_VERSION)
        c->result.version = c->number;
    c->state = AT_TAG;
    return ST_OK;
}

/* One byte of a tag, a number or a length. */
static enum status add_digit(struct reply_check *c, unsigned char byte, struct error *e)
{
    enum status st;

    if (c->at == (c->result_end ? c->result_end : c->end) || c->digits == 10)
        return malformed(e);
    c->at++;
    c->number |= (uint64_t)(byte & 0x7f) << (7 * c->digits++); /* beyond 64 bits: dropped */
    if (byte & 0x80)
        return ST_OK;
    st = take_number(c, e);
    c->number = 0;
    c->digits = 0;
    return st;
}

enum status reply_check_add(struct reply_check *c, const unsigned char *data, size_t n,
                            struct error *e)
{
    enum status st = ST_OK;

    while (n > 0 && st == ST_OK) {
        size_t part = 1;

        if (c->state == AT_BYTES) {
            part = n < c->left ? n : (size_t)c->left;
            c->at += part;
            c->left -= part;
            if (!c->left)
                c->state = AT_TAG;
        } else {
            st = add_digit(c, *data, e);
        }
        if (st == ST_OK && c->state == AT_TAG && !c->digits && c->at == c->result_end)
            st = check_result(c, e);
        data += part;
        n -= part;
    }
    return st;
}

enum status reply_check_end(struct reply_check *c, struct error *e)
{
    size_t canonical = c->canonical + wire_number_size(c->lsn);

    if (c->at != c->end || c->state != AT_TAG || c->digits || c->result_end)
        return malformed(e);
    if (c->results != c->plan->tables)
        return error_set(e, ST_INTERNAL, "the reply has %zu results, asked for were %zu",
                         c->results, c->plan->tables);
    if (c->end != canonical)
        return error_set(e, ST_INTERNAL, "the reply has %" PRIu64 " bytes, such a one takes %zu",
                         c->end, canonical);
    return ST_OK;
}
