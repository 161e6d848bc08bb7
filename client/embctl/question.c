/* SPDX-License-Identifier: Apache-2.0 */
/* Asks a question of any size in calls of a size that daemons take by default. */
#include <string.h>

#include "base/memory.h"
#include "client/embctl/interrupt.h"
#include "client/embctl/lookup.h"
#include "client/embctl/print.h"
#include "kernels/kernels.h"

#define FIRST_IDS 1024             /* of the first call, which tells how long a row is */
#define PART_IDS ((size_t)1 << 18) /* of the others, at most: a quarter of max_ids' default */
#define PART_BYTES ((size_t)16 << 20)
#define LOOK_MS 100 /* how often to look for Ctrl-C */

size_t question_rows(const struct question *q)
{
    return q->pooling == EMBD_POOLING_NONE ? q->id_count : q->offset_count - 1;
}

size_t question_columns(const struct question *q)
{
    return q->options.format == EMBD_FORMAT_INT8 ? FUSED8_BYTES(q->dim) : q->dim;
}

size_t row_size(int format, uint32_t dim)
{
    if (format == EMBD_FORMAT_INT8)
        return FUSED8_BYTES(dim);
    return (size_t)dim * (format == EMBD_FORMAT_F32 ? 4 : 2);
}

void row_decode(float *out, const void *row, int format, uint32_t dim)
{
    const unsigned char *from = row;
    float scale, bias;

    if (format == EMBD_FORMAT_F32) {
        memcpy(out, row, dim * sizeof *out);
    } else if (format == EMBD_FORMAT_INT8) {
        memcpy(&scale, from + dim, sizeof scale);
        memcpy(&bias, from + dim + sizeof scale, sizeof bias);
        for (uint32_t i = 0; i < dim; i++)
            out[i] = (float)from[i] * scale + bias;
    } else {
        for (uint32_t i = 0; i < dim; i++) {
            uint16_t half;

            memcpy(&half, from + 2 * (size_t)i, sizeof half);
            out[i] = format == EMBD_FORMAT_F16 ? f32_from_f16(half) : f32_from_bf16(half);
        }
    }
}

/* How many rows from `first` on make a call, at least one while any is left: a bag that is too long
   for the daemon is for the daemon to refuse. */
static size_t part_rows(const struct question *q, size_t first, size_t ids, size_t bytes)
{
    size_t left = question_rows(q) - first, n = 0;
    size_t row = q->dim ? row_size(q->options.format, q->dim) : 1;

    while (n < left) {
        size_t taken =
            q->pooling == EMBD_POOLING_NONE ? n + 1 : q->offsets[first + n + 1] - q->offsets[first];

        if (n && (taken > ids || (n + 1) * row > bytes))
            break;
        n++;
    }
    return n;
}

static void note_missing(struct question *q, const embd_lookup *answer, size_t id_first)
{
    size_t n = answer->missing_count;

    if (!n)
        return;
    q->missing = need_resize(q->missing, q->missing_count + n, sizeof *q->missing);
    for (size_t i = 0; i < n; i++)
        q->missing[q->missing_count++] = id_first + answer->missing[i];
}

/* Wait for an answer, but not longer than the user wants to. */
static enum status wait_for(embd_client *client, embd_call *call, struct error *e)
{
    while (!embd_call_finished(call)) {
        if (interrupted()) {
            embd_call_cancel(call);
            return error_set(e, ST_CANCELLED, "interrupted");
        }
        embd_client_poll(client, LOOK_MS);
    }
    return (enum status)embd_call_wait(call, e->text);
}

/* Ask for the rows [first, first + n) and hand them on. */
static enum status ask_part(struct question *q, embd_client *client, const struct sink *sink,
                            size_t first, size_t n, struct error *e)
{
    bool pooled = q->pooling != EMBD_POOLING_NONE;
    size_t id_first = pooled ? q->offsets[first] : first;
    size_t id_end = pooled ? q->offsets[first + n] : first + n, missing_first = q->missing_count;
    uint32_t *offsets = pooled ? need((n + 1) * sizeof *offsets) : NULL;
    embd_lookup l = {
        .table = q->table,
        .ids = q->ids + id_first,
        .id_count = id_end - id_first,
        .pooling = q->pooling,
        .offsets = offsets,
        .offset_count = pooled ? n + 1 : 0,
        .weights = q->weights ? q->weights + id_first : NULL,
        .min_version = q->min_version,
        .missing = need((id_end - id_first) * sizeof *l.missing),
        .missing_room = id_end - id_first,
    };
    embd_call *call;
    enum status st;

    for (size_t i = 0; pooled && i <= n; i++)
        offsets[i] = (uint32_t)(q->offsets[first + i] - id_first);
    st = (enum status)embd_client_start(client, &l, 1, &q->options, &call, e->text);
    if (st == ST_OK)
        st = wait_for(client, call, e);
    if (st == ST_OK && first && l.dim != q->dim)
        st = error_set(e, ST_ABORTED, "the table was replaced by one of %u columns meanwhile",
                       l.dim);
    if (st == ST_OK && !first) {
        q->dim = l.dim;
        q->version_first = l.version;
        st = sink->begin(sink->context, q, e);
    }
    if (st == ST_OK) {
        q->version_last = l.version;
        note_missing(q, &l, id_first);
        st = sink->part(sink->context, q, &l, first, missing_first, e);
    }
    mem_free(offsets);
    mem_free(l.missing);
    return st;
}

enum status question_ask(struct question *q, embd_client *client, const struct sink *sink,
                         struct error *e)
{
    size_t rows = question_rows(q), first = 0;

    do { /* a question without rows is asked too: the answer tells dim and version */
        size_t n = part_rows(q, first, first ? PART_IDS : FIRST_IDS, PART_BYTES);
        enum status st = ask_part(q, client, sink, first, n, e);

        if (st != ST_OK)
            return st;
        first += n;
    } while (first < rows);
    return sink->end(sink->context, q, e);
}
