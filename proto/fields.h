/* SPDX-License-Identifier: Apache-2.0 */
/* The messages that carry large arrays, as data: a table of fields tells where in a C struct each
   one goes, and one reader, one size and one writer serve them all. Arrays that came packed in one
   piece stay where they are in the message. No state; any thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "proto/bytes.h"

enum field_type {
    FIELD_NUMBER,  /* uint64_t: uint64 */
    FIELD_SMALL,   /* uint32_t: uint32 */
    FIELD_ENUM,    /* uint32_t: an enum, as sent */
    FIELD_BOOL,    /* bool */
    FIELD_FLOAT,   /* float, and a bool that tells whether it is there */
    FIELD_TEXT,    /* struct bytes: string, valid UTF-8 */
    FIELD_BYTES,   /* struct bytes: bytes */
    FIELD_WORDS,   /* struct bytes: repeated fixed32 or float */
    FIELD_LONGS,   /* struct bytes: repeated sfixed64 */
    FIELD_NUMBERS, /* pointer to const uint64_t and size_t count: repeated uint64 */
    FIELD_PARTS    /* pointer to an array of structs and size_t count: repeated messages */
};

struct field {
    enum field_type type;
    size_t at;        /* offset in the struct */
    size_t with;      /* offset of what belongs to it: the bool of a FLOAT, a count */
    const char *name; /* of a TEXT, for sentences */
};

#define FIELDS_MAX 15 /* so that a tag takes one byte */

/* A message whose fields are numbered from 1 without gaps, in the order of the table. At most one
   is FIELD_PARTS, and not within a part. */
struct message {
    const char *name; /* "LookupRequest" */
    const struct field *field;
    size_t fields;
    const char *part, *parts; /* "lookup", "lookups" */
    const struct field *part_field;
    size_t part_fields, part_bytes; /* bytes: of the C struct */
};

/* Read a message of `n` bytes into a zeroed struct; views point into `data`, what must be copied is
   in the arena. ST_INTERNAL if it is not protobuf, a string is not UTF-8 or a known field has
   another wire type, ST_EXHAUSTED over the arena's cap. Of a field that is given twice the last one
   counts, arrays are joined, unknown fields are skipped: as protobuf demands. After a failure `out`
   is undefined. */
MUST_CHECK enum status message_read(const struct message *m, void *out, const void *data, size_t n,
                                    struct arena *arena, struct error *e);
/* Bytes of the encoded message, and the message itself into exactly that room, byte for byte what
   protobuf's own serializers write. */
size_t message_size(const struct message *m, const void *from);
void message_write(const struct message *m, const void *from, void *out);

/* The same in pieces, for a sender that gathers: arrays of MESSAGE_ARRAY_MIN bytes or more are
   pointed at where they are, all else goes to `out`, in whose beginning the first piece is. */
#define MESSAGE_ARRAY_MIN 4096
/* Bytes at `out`; `*pieces` is how many there will be. */
size_t message_gather_size(const struct message *m, const void *from, size_t *pieces);
void message_gather(const struct message *m, const void *from, void *out, struct bytes *piece);
