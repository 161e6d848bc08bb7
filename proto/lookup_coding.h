/* SPDX-License-Identifier: Apache-2.0 */
/* The messages of Lookup, both directions, without copying what is large: arrays of a request that
   came packed in one piece stay where they are, and a reply is laid out exactly before its values
   are written in place. Used by the daemon (read requests, write replies) and by the client (the
   reverse). */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "base/status.h"
#include "proto/bytes.h"

struct table_lookup {
    struct bytes table;   /* valid UTF-8 */
    struct bytes ids;     /* 8 bytes each */
    struct bytes offsets; /* 4 bytes each */
    struct bytes weights; /* 4 bytes each */
    uint32_t pooling;     /* as sent; the lookup refuses what it does not know */
    uint64_t min_version;
};

struct lookup_request {
    struct table_lookup *lookup; /* in the arena */
    size_t count;
    uint32_t format, missing; /* as sent */
    uint64_t ids;             /* over all lookups */
};

/* Read a LookupRequest of `n` bytes; the views point into `data` (or into the arena where an array
   came unpacked or in pieces, as protobuf allows) and are good as long as both. ST_INTERNAL if it
   is not protobuf or a string is not UTF-8, ST_EXHAUSTED over the arena's cap. Of a field that is
   given twice the last one counts, arrays are joined, unknown fields are skipped: as protobuf
   demands. A known field of another wire type is ST_INTERNAL: it can only be a mistake, and
   skipping it would answer another question. `r` is untouched on failure. */
MUST_CHECK enum status lookup_request_read(struct lookup_request *r, const void *data, size_t n,
                                           struct arena *arena, struct error *e);

/* Bytes of the encoded request, and the request itself into exactly that room, byte for byte what
   protobuf's own serializers write. */
size_t lookup_request_size(const struct lookup_request *r);
void lookup_request_write(const struct lookup_request *r, void *out);
/* The same in pieces, in which large arrays stay where they are: bytes at `out` and pieces that it
   takes, and the pieces themselves, of which the first begins at `out`. */
size_t lookup_request_gather_size(const struct lookup_request *r, size_t *pieces);
void lookup_request_gather(const struct lookup_request *r, void *out, struct bytes *piece);

/* One result of a reply, with its `values` or `packed` (for F32 or the other formats) of
   `value_bytes`. */
struct table_vectors {
    uint32_t dim, rows;
    bool packed;
    size_t value_bytes;
    uint64_t version;
    const uint32_t *missing; /* host order when writing */
    size_t missing_count;
    /* Reading; the rows are in received_values in any format. */
    struct bytes received_values, received_packed, received_missing;
};

/* Bytes of the encoded LookupResponse. SIZE_MAX if it does not fit in memory at all. */
size_t lookup_reply_size(const struct table_vectors *v, size_t count, uint64_t lsn);
/* The encoded LookupResponse is head, values and tail of each result, and then the end. Each of
   these writes its part to `out` and returns how many bytes that are; a head and the end have
   LOOKUP_HEAD_MAX at most, a tail exactly lookup_reply_tail_size(). */
#define LOOKUP_HEAD_MAX 48
size_t lookup_reply_head(const struct table_vectors *v, void *out);
size_t lookup_reply_tail_size(const struct table_vectors *v);
size_t lookup_reply_tail(const struct table_vectors *v, void *out);
size_t lookup_reply_end(uint64_t lsn, void *out);

/* Read a LookupResponse; the results are in the arena, values and missing point into `data` (or the
   arena). ST_INTERNAL if malformed or if a result has both `values` and `packed`, ST_EXHAUSTED over
   the arena's cap. The out parameters are untouched on failure. */
MUST_CHECK enum status lookup_reply_read(struct table_vectors **v, size_t *count, uint64_t *lsn,
                                         const void *data, size_t n, struct arena *arena,
                                         struct error *e);
