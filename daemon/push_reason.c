/* SPDX-License-Identifier: Apache-2.0 */
/* Why a push was refused. The sentence of a refusal is for people; the word is found by looking at
   the refused query once more, which costs nothing to those that are fine. */
#include "daemon/push_reason.h"

#include <string.h>

#include "base/memory.h"
#include "table/bags.h"

const char REASON_NOT_FOUND[] = "not_found", REASON_DAMAGED[] = "damaged",
           REASON_READ_ONLY[] = "read_only", REASON_UNKNOWN_ID[] = "unknown_id",
           REASON_NOT_FINITE[] = "not_finite", REASON_NORM[] = "norm",
           REASON_DIMENSION[] = "dimension", REASON_MALFORMED[] = "malformed",
           REASON_LIMIT[] = "limit", REASON_MEMORY[] = "memory", REASON_GAP[] = "gap",
           REASON_CONFLICT[] = "conflict", REASON_REPLACED[] = "replaced", REASON_LOG[] = "log",
           REASON_FULL_DISK[] = "full_disk", REASON_STOPPING[] = "stopping",
           REASON_STREAM[] = "stream";

const char *reason_of_status(enum status st)
{
    switch (st) {
    case ST_NOT_FOUND:
        return REASON_NOT_FOUND;
    case ST_DATA_LOSS:
        return REASON_DAMAGED;
    case ST_PRECONDITION:
        return REASON_READ_ONLY;
    case ST_RANGE:
        return REASON_UNKNOWN_ID;
    case ST_EXHAUSTED:
        return REASON_MEMORY;
    default:
        return REASON_MALFORMED;
    }
}

static bool is_finite(const void *data, size_t bytes, enum vector_format format)
{
    uint32_t mask = format == FORMAT_F32 ? 0x7f800000 : format == FORMAT_F16 ? 0x7c00 : 0x7f80;
    size_t width = format == FORMAT_F32 ? 4 : 2;

    for (size_t i = 0; i + width <= bytes; i += width) {
        uint32_t bits = 0;

        memcpy(&bits, (const unsigned char *)data + i, width);
        if ((bits & mask) == mask)
            return false;
    }
    return true;
}

const char *reason_of_query(enum status st, const struct update_query *q, const struct table *t)
{
    const struct bags bags = {.ids = q->ids,
                              .id_count = q->id_count,
                              .pooling = q->pooling,
                              .offsets = q->offsets,
                              .offset_count = q->offset_count,
                              .weights = q->weights,
                              .weight_count = q->weight_count};
    size_t need;

    if (st != ST_INVALID)
        return reason_of_status(st);
    if (!is_finite(q->weights, q->weight_count * 4, FORMAT_F32))
        return REASON_NOT_FINITE;
    if ((unsigned)q->format > FORMAT_BF16 || bags_check(&bags, NULL) != ST_OK)
        return REASON_MALFORMED;
    if (!size_mul(bags_rows(&bags), format_row_bytes(q->format, t->dim), &need) ||
        q->gradient_bytes != need)
        return REASON_DIMENSION;
    if (!is_finite(q->gradients, q->gradient_bytes, q->format))
        return REASON_NOT_FINITE;
    return REASON_NORM; /* of a row, or its sum is not finite */
}
