/* SPDX-License-Identifier: Apache-2.0 */
/* Compares what our readers of lookups find with what protobuf-c finds in the same bytes. For the
   unit tests and the fuzz targets.

   The differences that are meant, all on the side of refusing more:
   - field numbers above 2^29 - 1, and 0 in more bytes than it needs, which protobuf does not have
   and protobuf-c takes;
   - a table name that is not UTF-8, also one that a later one replaces;
   - a result with both `values` and `packed`, which no server sends.
   And one of reading: protobuf-c's strings end at a NUL, ours do not. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "proto/embd.pb-c.h"
#include "proto/lookup_coding.h"

static inline bool same_array(struct bytes ours, const void *theirs, size_t count, size_t width)
{
    return ours.size == count * width &&
           (count == 0 || memcmp(ours.data, theirs, count * width) == 0);
}

/* What differs, or NULL. */
static inline const char *request_difference(const struct lookup_request *ours,
                                             const Embd__V1__LookupRequest *theirs)
{
    uint64_t ids = 0;

    if (ours->count != theirs->n_lookups)
        return "count";
    if ((int32_t)ours->format != (int32_t)theirs->format)
        return "format";
    if ((int32_t)ours->missing != (int32_t)theirs->missing)
        return "missing";
    for (size_t i = 0; i < ours->count; i++) {
        const struct table_lookup *a = &ours->lookup[i];
        const Embd__V1__TableLookup *b = theirs->lookups[i];
        size_t length = strlen(b->table);

        if (a->table.size < length || (length && memcmp(a->table.data, b->table, length) != 0) ||
            (a->table.size > length && ((const char *)a->table.data)[length] != '\0'))
            return "table";
        if (!same_array(a->ids, b->ids, b->n_ids, 8))
            return "ids";
        if ((int32_t)a->pooling != (int32_t)b->pooling)
            return "pooling";
        if (!same_array(a->offsets, b->offsets, b->n_offsets, 4))
            return "offsets";
        if (!same_array(a->weights, b->weights, b->n_weights, 4))
            return "weights";
        if (a->min_version != b->min_version)
            return "min_version";
        ids += b->n_ids;
    }
    return ours->ids == ids ? NULL : "number of ids";
}

/* What differs, or NULL. */
static inline const char *reply_difference(const struct table_vectors *ours, size_t count,
                                           uint64_t lsn, const Embd__V1__LookupResponse *theirs)
{
    if (count != theirs->n_results)
        return "count";
    if (lsn != theirs->lsn)
        return "lsn";
    for (size_t i = 0; i < count; i++) {
        const struct table_vectors *a = &ours[i];
        const Embd__V1__TableVectors *b = theirs->results[i];
        struct bytes none = {0};

        if (a->dim != b->dim || a->rows != b->rows || a->version != b->version)
            return "dim, rows or version";
        if (!same_array(a->packed ? none : a->received_values, b->values, b->n_values, 4))
            return "values";
        if (!same_array(a->packed ? a->received_values : none, b->packed.data, b->packed.len, 1))
            return "packed";
        if (a->value_bytes != a->received_values.size)
            return "value_bytes";
        if (!same_array(a->received_missing, b->missing, b->n_missing, 4) ||
            a->missing_count != b->n_missing)
            return "missing";
    }
    return NULL;
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

/* Whether [data, data + n), which protobuf-c takes for a LookupRequest (or its lookup), has what
   our reader refuses on purpose. */
static inline bool request_refused(const void *data, size_t n, bool inside)
{
    struct plain_reader r = {.p = data, .end = (const unsigned char *)data + n};

    while (plain_next(&r)) {
        if (!plain_number_valid(&r))
            return true;
        if (inside && r.number == 1 && !utf8_valid(r.data, r.size))
            return true;
        if (!inside && r.number == 1 && request_refused(r.data, r.size, true))
            return true;
    }
    return false;
}

/* The same for a LookupResponse. */
static inline bool reply_refused(const void *data, size_t n, const Embd__V1__LookupResponse *theirs)
{
    struct plain_reader r = {.p = data, .end = (const unsigned char *)data + n};

    while (plain_next(&r)) {
        struct plain_reader in = {.p = r.data, .end = r.data + r.size};

        if (!plain_number_valid(&r))
            return true;
        while (r.number == 1 && plain_next(&in))
            if (!plain_number_valid(&in))
                return true;
    }
    for (size_t i = 0; i < theirs->n_results; i++)
        if (theirs->results[i]->n_values && theirs->results[i]->packed.len)
            return true;
    return false;
}
