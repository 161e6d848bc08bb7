/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf's wire format: a bounded reader and a writer into memory of known size. Both are used for
   the messages that carry large arrays; everything else goes through protobuf-c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

/* A position in bytes that belong to somebody else. After a failed read `bad` is set and nothing more
   is read. */
struct wire_reader {
    const unsigned char *next, *end;
    bool bad;
};

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;             /* varint and fixed values */
    const unsigned char *data;  /* bytes: where */
    size_t size;
};

void wire_reader_init(struct wire_reader *r, const void *data, size_t n);
/* Read the next field; false at the end or when malformed (`bad`): field 0 or above 2^29 - 1, groups,
   unknown wire types, varints over ten bytes, lengths past the end. */
bool wire_next(struct wire_reader *r, struct wire_field *f);
bool wire_varint(struct wire_reader *r, uint64_t *v);

size_t wire_varint_size(uint64_t v);
unsigned char *wire_put_varint(unsigned char *p, uint64_t v);           /* returns the next position */
unsigned char *wire_put_tag(unsigned char *p, uint32_t number, enum wire_type type);
