/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf's wire format: a bounded reader and a writer into memory of known size. Both are used
   for the messages that carry large arrays; everything else goes through protobuf-c. */
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

#define WIRE_FIELD_MAX ((1u << 29) - 1) /* the largest field number */

/* A position in bytes that belong to somebody else. After a failed read `bad` is set and nothing
   more is read. */
struct wire_reader {
    const unsigned char *next, *end;
    bool bad;
};

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;            /* varint and fixed values */
    const unsigned char *data; /* bytes, varint and fixed values: where in the message */
    size_t size;
};

void wire_reader_init(struct wire_reader *r, const void *data, size_t n);
/* Read the next field; false at the end or when malformed (`bad`): field 0 or above 2^29 - 1,
   groups, unknown wire types, varints over ten bytes, tags and lengths over five, lengths past the
   end. */
bool wire_next(struct wire_reader *r, struct wire_field *f);
/* Read a varint of at most ten bytes; bits above the 64th are dropped, as protobuf does. */
bool wire_varint(struct wire_reader *r, uint64_t *v);

size_t wire_varint_size(uint64_t v);
/* These return the next position. */
unsigned char *wire_put_varint(unsigned char *p, uint64_t v);
unsigned char *wire_put_tag(unsigned char *p, uint32_t number, enum wire_type type);

/* Whole fields as proto3 writes them: nothing at all for zero and for no bytes. The sizes are those
   of fields 1 to 15, whose tags take one byte. */
size_t wire_number_size(uint64_t v);
size_t wire_bytes_size(size_t n);
unsigned char *wire_put_number(unsigned char *p, uint32_t number, uint64_t v);
unsigned char *wire_put_bytes(unsigned char *p, uint32_t number, const void *data, size_t n);

/* A number at an address of any alignment. */
static inline uint32_t wire_get_u32(const void *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

static inline uint64_t wire_get_u64(const void *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

static inline unsigned char *wire_put_u32(unsigned char *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}
