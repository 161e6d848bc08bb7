/* SPDX-License-Identifier: Apache-2.0 */
/* Compares what our readers of lookups find with what protobuf-c finds in the same bytes. For the
   unit tests and the fuzz targets. Beside the differences of wire_compare.h: a result with both
   `values` and `packed`, which no server sends, is refused. */
#pragma once

#include "proto/embd.pb-c.h"
#include "proto/lookup_coding.h"
#include "tests/wire_compare.h"

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

        if (!same_text(a->table, b->table))
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

/* Whether bytes that protobuf-c takes for a LookupRequest have what our reader refuses on purpose.
 */
static inline bool request_refused(const void *data, size_t n)
{
    return wire_refused(data, n, 0, 1);
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
