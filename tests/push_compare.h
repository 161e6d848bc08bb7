/* SPDX-License-Identifier: Apache-2.0 */
/* Compares what our readers of pushes find with what protobuf-c finds in the same bytes. For the
   unit tests and the fuzz targets. The differences that are meant are those of wire_compare.h. */
#pragma once

#include "proto/embd.pb-c.h"
#include "proto/push_coding.h"
#include "tests/wire_compare.h"

/* What differs, or NULL. */
static inline const char *push_difference(const struct push_request *ours,
                                          const Embd__V1__PushRequest *theirs)
{
    bool has_rate = theirs->rate_case == EMBD__V1__PUSH_REQUEST__RATE_LEARNING_RATE;
    uint64_t ids = 0;

    if (ours->count != theirs->n_pushes)
        return "count";
    if (!same_text(ours->trainer, theirs->trainer) || ours->sequence != theirs->sequence)
        return "trainer or sequence";
    if (ours->has_rate != has_rate ||
        (has_rate && memcmp(&ours->learning_rate, &theirs->learning_rate, sizeof(float)) != 0))
        return "rate";
    if ((int32_t)ours->missing != (int32_t)theirs->missing)
        return "missing";
    for (size_t i = 0; i < ours->count; i++) {
        const struct table_push *a = &ours->push[i];
        const Embd__V1__TablePush *b = theirs->pushes[i];

        if (!same_text(a->table, b->table))
            return "table";
        if (!same_array(a->ids, b->ids, b->n_ids, 8))
            return "ids";
        if (!same_array(a->gradients, b->gradients, b->n_gradients, 4))
            return "gradients";
        if ((int32_t)a->pooling != (int32_t)b->pooling)
            return "pooling";
        if (!same_array(a->offsets, b->offsets, b->n_offsets, 4))
            return "offsets";
        if (!same_array(a->weights, b->weights, b->n_weights, 4))
            return "weights";
        if ((int32_t)a->format != (int32_t)b->format)
            return "format";
        if (!same_array(a->packed, b->packed.data, b->packed.len, 1))
            return "packed";
        ids += b->n_ids;
    }
    return ours->ids == ids ? NULL : "number of ids";
}

/* Whether bytes that protobuf-c takes for a PushRequest have what our reader refuses on purpose. */
static inline bool push_refused(const void *data, size_t n)
{
    return wire_refused(data, n, 1, 3);
}

/* What differs, or NULL. */
static inline const char *push_reply_difference(const struct push_reply *ours,
                                                const Embd__V1__PushResponse *theirs)
{
    if (ours->duplicate != (theirs->duplicate != 0))
        return "duplicate";
    if (ours->count != theirs->n_versions ||
        (ours->count && memcmp(ours->versions, theirs->versions, ours->count * 8) != 0))
        return "versions";
    if (ours->lsn != theirs->lsn || ours->skipped != theirs->skipped)
        return "lsn or skipped";
    return NULL;
}

/* The same as push_refused() for a PushResponse. */
static inline bool push_reply_refused(const void *data, size_t n)
{
    struct plain_reader r = {.p = data, .end = (const unsigned char *)data + n};

    while (plain_next(&r))
        if (r.number == 1 && r.type != 0) /* protobuf-c takes a bool of any wire type */
            return true;
    return wire_refused(data, n, 0, 0);
}
