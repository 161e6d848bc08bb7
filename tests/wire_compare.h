/* SPDX-License-Identifier: Apache-2.0 */
/* What comparisons of our readers with protobuf-c's share. For the unit tests and the fuzz targets.

   The differences that are meant, all on the side of refusing more:
   - field numbers above 2^29 - 1, and 0 in more bytes than it needs, which protobuf does not have
   and protobuf-c takes;
   - a text that is not UTF-8, also one that a later one replaces.
   And one of reading: protobuf-c's strings end at a NUL, ours do not. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "proto/bytes.h"

static inline bool same_array(struct bytes ours, const void *theirs, size_t count, size_t width)
{
    return ours.size == count * width &&
           (count == 0 || memcmp(ours.data, theirs, count * width) == 0);
}

static inline bool same_text(struct bytes ours, const char *theirs)
{
    size_t length = strlen(theirs);

    return ours.size >= length && (!length || !memcmp(ours.data, theirs, length)) &&
           (ours.size == length || ((const char *)ours.data)[length] == '\0');
}

/* A second reader, as plain as can be, for bytes that protobuf-c has taken. */
struct plain_reader {
    const unsigned char *p, *end;
    uint64_t number;
    unsigned type;
    const unsigned char *data;
    uint64_t size;
};

static inline uint64_t plain_varint(struct plain_reader *r)
{
    uint64_t v = 0;

    for (unsigned shift = 0; r->p < r->end; shift += 7) {
        v |= shift < 64 ? (uint64_t)(*r->p & 0x7f) << shift : 0;
        if (*r->p++ < 0x80)
            break;
    }
    return v;
}

static inline bool plain_next(struct plain_reader *r)
{
    uint64_t tag;

    if (r->p >= r->end)
        return false;
    tag = plain_varint(r);
    r->number = tag >> 3;
    r->type = tag & 7;
    r->size = r->type == 1 ? 8 : r->type == 5 ? 4 : r->type == 2 ? plain_varint(r) : 0;
    if (r->type == 0)
        plain_varint(r);
    r->data = r->p;
    r->p += r->size;
    return true;
}

static inline bool plain_number_valid(const struct plain_reader *r)
{
    return r->number > 0 && r->number < (uint64_t)1 << 29;
}

/* Whether [data, data + n), which protobuf-c takes, has what our readers refuse on purpose: in the
   message itself, whose field `text` is a string (0: none), or in its repeated message `part`,
   whose first field is one. */
static inline bool wire_refused(const void *data, size_t n, uint64_t text, uint64_t part)
{
    struct plain_reader r = {.p = data, .end = (const unsigned char *)data + n};

    while (plain_next(&r)) {
        if (!plain_number_valid(&r))
            return true;
        if (text && r.number == text && !utf8_valid(r.data, r.size))
            return true;
        if (part && r.number == part && wire_refused(r.data, r.size, 1, 0))
            return true;
    }
    return false;
}
