/* SPDX-License-Identifier: Apache-2.0 */
/* A protobuf parser that can stop after any byte and go on with the next piece. Small tokens (tags,
   numbers, lengths) are gathered byte by byte; runs of bytes are copied as they come. */
#include "client/reply_reader.h"

#include <endian.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "proto/wire.h"

enum { AT_TAG, AT_NUMBER, AT_LENGTH, AT_BYTES };
enum { SINK_SKIP, SINK_VALUES, SINK_PACKED, SINK_MISSING };

/* Field numbers of LookupResponse and TableVectors. */
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

void reply_reader_init(struct reply_reader *r, int format, struct reply_result *result,
                       size_t count)
{
    memset(r, 0, sizeof *r);
    r->format = format;
    r->result = result;
    r->result_count = count;
}

void reply_reader_begin(struct reply_reader *r, uint32_t length)
{
    for (size_t i = 0; i < r->result_count; i++) {
        struct reply_result *result = &r->result[i];

        result->dim = result->rows = 0;
        result->version = 0;
        result->value_bytes = result->missing_count = 0;
    }
    r->results = 0;
    r->state = AT_TAG;
    r->at = r->result_end = r->number = 0;
    r->number_bytes = r->word_bytes = 0;
    r->end = length;
}

static struct reply_result *current(const struct reply_reader *r)
{
    return &r->result[r->results - 1];
}

/* Where the message that is being read ends. */
static uint64_t level_end(const struct reply_reader *r)
{
    return r->result_end ? r->result_end : r->end;
}

/* Make sure that `more` bytes of rows have a place. */
static enum status reserve(struct reply_result *result, size_t more, struct error *e)
{
    const embd_lookup *lookup = result->lookup;
    size_t need = result->value_bytes + more, room;
    unsigned char *grown;

    if (lookup->out && need > lookup->out_bytes)
        return error_set(e, ST_EXHAUSTED,
                         "table %s: the rows take %zu bytes, `out` has room for %zu",
                         QUOTE(lookup->table), need, lookup->out_bytes);
    if (lookup->out || need <= result->own_room)
        return ST_OK;
    room = need > 2 * result->own_room ? need : 2 * result->own_room;
    grown = mem_resize(result->own, room, 1);
    if (!grown)
        return error_memory(e, "rows");
    result->own = grown;
    result->own_room = room;
    return ST_OK;
}

static int sink_of(const struct reply_reader *r)
{
    if (!r->result_end)
        return SINK_SKIP;
    if (r->field == VECTORS_VALUES)
        return SINK_VALUES;
    if (r->field == VECTORS_PACKED)
        return SINK_PACKED;
    return r->field == VECTORS_MISSING ? SINK_MISSING : SINK_SKIP;
}

/* `left` bytes follow that belong together. */
static enum status begin_run(struct reply_reader *r, uint64_t left, struct error *e)
{
    enum status st = ST_OK;

    if (left > level_end(r) - r->at)
        return malformed(e);
    r->left = left;
    r->state = left ? AT_BYTES : AT_TAG;
    r->sink = sink_of(r);
    if ((r->sink == SINK_VALUES || r->sink == SINK_MISSING) && left % 4)
        return malformed(e);
    if (r->sink == SINK_VALUES || r->sink == SINK_PACKED) {
        struct reply_result *result = current(r);

        if (left && (r->sink == SINK_VALUES) != (r->format == EMBD_FORMAT_F32))
            return error_set(e, ST_INTERNAL, "table %s: the rows came in another format",
                             QUOTE(result->lookup->table));
        if (r->sink == SINK_PACKED) /* bytes are not joined: the last ones count */
            result->value_bytes = 0;
        st = reserve(result, left, e);
    }
    return st;
}

static enum status begin_result(struct reply_reader *r, uint64_t length, struct error *e)
{
    if (length > r->end - r->at)
        return malformed(e);
    if (r->results == r->result_count)
        return error_set(e, ST_INTERNAL, "the reply has more results than the %zu asked for",
                         r->result_count);
    r->results++;
    r->result_end = r->at + length;
    r->state = AT_TAG;
    return ST_OK;
}

/* Whether the field may have its wire type. A known field of another type can only be a mistake,
   and skipping it would give another answer. */
static bool type_fits(const struct reply_reader *r)
{
    if (!r->result_end)
        return (r->field != RESPONSE_RESULTS || r->type == WIRE_BYTES) &&
               (r->field != RESPONSE_LSN || r->type == WIRE_VARINT);
    switch (r->field) {
    case VECTORS_DIM:
    case VECTORS_ROWS:
    case VECTORS_VERSION:
        return r->type == WIRE_VARINT;
    case VECTORS_VALUES:
    case VECTORS_MISSING:
        return r->type == WIRE_BYTES || r->type == WIRE_FIXED32;
    case VECTORS_PACKED:
        return r->type == WIRE_BYTES;
    default:
        return true;
    }
}

static enum status begin_field(struct reply_reader *r, struct error *e)
{
    r->field = (uint32_t)(r->number >> 3);
    r->type = (unsigned)(r->number & 7);
    if (r->number > UINT32_MAX || !r->field || !type_fits(r))
        return malformed(e);
    switch (r->type) {
    case WIRE_VARINT:
        r->state = AT_NUMBER;
        return ST_OK;
    case WIRE_BYTES:
        r->state = AT_LENGTH;
        return ST_OK;
    case WIRE_FIXED32:
        return begin_run(r, 4, e);
    case WIRE_FIXED64:
        return begin_run(r, 8, e);
    default:
        return malformed(e);
    }
}

/* A number is complete. */
static enum status take_number(struct reply_reader *r, struct error *e)
{
    if (r->state == AT_TAG)
        return begin_field(r, e);
    if (r->state == AT_LENGTH)
        return !r->result_end && r->field == RESPONSE_RESULTS ? begin_result(r, r->number, e)
                                                              : begin_run(r, r->number, e);
    if (r->result_end && r->field == VECTORS_DIM)
        current(r)->dim = (uint32_t)r->number;
    else if (r->result_end && r->field == VECTORS_ROWS)
        current(r)->rows = (uint32_t)r->number;
    else if (r->result_end && r->field == VECTORS_VERSION)
        current(r)->version = r->number;
    r->state = AT_TAG;
    return ST_OK;
}

/* One byte of a varint. */
static enum status add_digit(struct reply_reader *r, unsigned char byte, struct error *e)
{
    enum status st;

    if (r->at == level_end(r) || r->number_bytes == 10 || (r->number_bytes == 9 && byte > 1))
        return malformed(e);
    r->at++;
    r->number |= (uint64_t)(byte & 0x7f) << (7 * r->number_bytes++);
    if (byte & 0x80)
        return ST_OK;
    st = take_number(r, e);
    r->number = 0;
    r->number_bytes = 0;
    return st;
}

static enum status add_missing(struct reply_result *result, uint32_t position, struct error *e)
{
    const embd_lookup *lookup = result->lookup;

    if (position >= lookup->id_count)
        return error_set(e, ST_INTERNAL, "table %s: the reply calls id number %u of %zu unknown",
                         QUOTE(lookup->table), position, lookup->id_count);
    if (lookup->missing && result->missing_count < lookup->missing_room)
        lookup->missing[result->missing_count] = position;
    result->missing_count++;
    return ST_OK;
}

static enum status add_bytes(struct reply_reader *r, const unsigned char *data, size_t n,
                             struct error *e)
{
    struct reply_result *result;
    enum status st = ST_OK;

    if (r->sink == SINK_SKIP)
        return ST_OK;
    result = current(r);
    if (r->sink != SINK_MISSING) {
        unsigned char *to = result->lookup->out ? result->lookup->out : result->own;

        memcpy(to + result->value_bytes, data, n);
        result->value_bytes += n;
        return ST_OK;
    }
    for (size_t i = 0; i < n && st == ST_OK; i++) {
        r->word[r->word_bytes++] = data[i];
        if (r->word_bytes == 4) {
            st = add_missing(result, wire_get_u32(r->word), e);
            r->word_bytes = 0;
        }
    }
    return st;
}

enum status reply_reader_add(struct reply_reader *r, const unsigned char *data, size_t n,
                             struct error *e)
{
    while (n > 0) {
        size_t part = 1;
        enum status st;

        if (r->state == AT_BYTES) {
            part = n < r->left ? n : (size_t)r->left;
            st = add_bytes(r, data, part, e);
            r->at += part;
            r->left -= part;
            if (!r->left)
                r->state = AT_TAG;
        } else {
            st = add_digit(r, *data, e);
        }
        if (st != ST_OK)
            return st;
        if (r->state == AT_TAG && !r->number_bytes && r->at == r->result_end)
            r->result_end = 0;
        data += part;
        n -= part;
    }
    return ST_OK;
}

static size_t row_bytes(int format, uint32_t dim)
{
    switch (format) {
    case EMBD_FORMAT_F32:
        return (size_t)dim * 4;
    case EMBD_FORMAT_INT8:
        return (size_t)dim + 8; /* codes, scale, bias */
    default:
        return (size_t)dim * 2;
    }
}

static enum status check_result(const struct reply_reader *r, const struct reply_result *result,
                                struct error *e)
{
    const embd_lookup *lookup = result->lookup;
    size_t rows =
        lookup->pooling == EMBD_POOLING_NONE ? lookup->id_count : lookup->offset_count - 1;
    size_t bytes;

    if (result->rows != rows)
        return error_set(e, ST_INTERNAL, "table %s: %u rows came for %zu asked",
                         QUOTE(lookup->table), result->rows, rows);
    if (!size_mul(rows, row_bytes(r->format, result->dim), &bytes) || bytes != result->value_bytes)
        return error_set(e, ST_INTERNAL, "table %s: %zu bytes came for %u rows of %u columns",
                         QUOTE(lookup->table), result->value_bytes, result->rows, result->dim);
    return ST_OK;
}

enum status reply_reader_end(struct reply_reader *r, struct error *e)
{
    if (r->at != r->end || r->state != AT_TAG || r->number_bytes || r->result_end)
        return malformed(e);
    if (r->results != r->result_count)
        return error_set(e, ST_INTERNAL, "the reply has %zu results, asked for were %zu",
                         r->results, r->result_count);
    for (size_t i = 0; i < r->result_count; i++) {
        enum status st = check_result(r, &r->result[i], e);

        if (st != ST_OK)
            return st;
    }
    for (size_t i = 0; i < r->result_count; i++) {
        const struct reply_result *result = &r->result[i];
        embd_lookup *lookup = result->lookup;

        lookup->dim = result->dim;
        lookup->rows = result->rows;
        lookup->version = result->version;
        lookup->missing_count = result->missing_count;
        lookup->values = lookup->out ? lookup->out : result->own;
        lookup->value_bytes = result->value_bytes;
    }
    return ST_OK;
}
