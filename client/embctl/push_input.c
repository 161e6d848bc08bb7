/* SPDX-License-Identifier: Apache-2.0 */
/* Gradients from files, and cut into pushes. One thread. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/array.h"
#include "client/embctl/print.h"
#include "client/embctl/push.h"
#include "kernels/kernels.h"
#include "methods/method.h"

static const char *const format_names[] = {"f32", "f16", "bf16"};

static enum status check_gradients(struct gradients_input *in, const char *path, struct error *e)
{
    const struct tensor *t = &in->gradients.array;
    const char *name = strcmp(path, "-") ? QUOTE(path) : "standard input";
    bool halves = t->dtype == DT_U16 && in->format == EMBD_FORMAT_BF16;

    if (t->dtype != DT_F32 && t->dtype != DT_F16 && t->dtype != DT_F64 && !halves)
        return error_set(e, ST_INVALID,
                         "%s: the array has type %s; gradients are float32, float16 or float64%s",
                         name, dtype_name(t->dtype),
                         t->dtype == DT_U16 ? ", or the bits of bfloat16 with --format bf16" : "");
    if (t->rank != 2)
        return error_set(e, ST_INVALID,
                         "%s: the array has %u dimension%s; gradients have two, rows and columns",
                         name, t->rank, t->rank == 1 ? "" : "s");
    if (t->shape[1] < 1 || t->shape[1] > METHOD_DIM_MAX)
        return error_set(e, ST_INVALID,
                         "%s: the array has %" PRIu64 " columns; a table has 1 to %d", name,
                         t->shape[1], METHOD_DIM_MAX);
    in->dim = (uint32_t)t->shape[1];
    in->rows = in->pooling == EMBD_POOLING_NONE ? in->id_count : in->offset_count - 1;
    if (t->shape[0] != in->rows)
        return error_set(e, ST_INVALID, "%s: there are %" PRIu64 " rows of gradients for %zu %s",
                         name, t->shape[0], in->rows,
                         in->pooling == EMBD_POOLING_NONE ? "ids" : "bags");
    return ST_OK;
}

enum status gradients_open(struct gradients_input *in, const struct gradients_files *from,
                           struct error *e)
{
    enum status st = array_read_i64(&in->ids, &in->id_count, from->ids, e);

    if (st == ST_OK)
        st = bags_read(
            &in->offsets, &in->offset_count, &in->weights,
            &(struct bags_source){in->pooling, from->offsets, from->weights, in->id_count}, e);
    if (st == ST_OK)
        st = npy_open(&in->gradients, from->gradients, UINT64_MAX, e);
    if (st == ST_OK)
        st = check_gradients(in, from->gradients, e);
    return st;
}

void gradients_close(struct gradients_input *in)
{
    npy_close(&in->gradients);
    mem_free(in->ids);
    mem_free(in->offsets);
    mem_free(in->weights);
}

static double element(const struct tensor *t, size_t i)
{
    if (t->dtype == DT_F64)
        return ((const double *)t->data)[i];
    if (t->dtype == DT_F16)
        return (double)f32_from_f16(((const uint16_t *)t->data)[i]);
    return (double)((const float *)t->data)[i];
}

/* Store a number in the format; false if it became infinite by that. */
static bool put(void *out, size_t i, int format, double x)
{
    float real = (float)x;
    uint16_t half;

    if (format == EMBD_FORMAT_F32) {
        ((float *)out)[i] = real;
    } else {
        half = format == EMBD_FORMAT_F16 ? f16_from_f32(real) : bf16_from_f32(real);
        real = format == EMBD_FORMAT_F16 ? f32_from_f16(half) : f32_from_bf16(half);
        ((uint16_t *)out)[i] = half;
    }
    return isfinite(real) || !isfinite(x);
}

/* The gradients of a batch, where they are if they have the format already. */
static enum status take_gradients(struct batch *b, const struct gradients_input *in,
                                  struct error *e)
{
    static const enum dtype as_it_is[] = {DT_F32, DT_F16, DT_U16};
    const struct tensor *t = &in->gradients.array;
    size_t from = b->first * in->dim, count = b->rows * in->dim;
    size_t bytes = in->format == EMBD_FORMAT_F32 ? sizeof(float) : sizeof(uint16_t);

    b->push.gradient_bytes = count * bytes;
    b->push.gradients = (const char *)t->data + from * bytes;
    if (t->dtype == as_it_is[in->format])
        return ST_OK;
    b->push.gradients = b->converted = need_resize(b->converted, count, bytes);
    for (size_t i = 0; i < count; i++)
        if (!put(b->converted, i, in->format, element(t, from + i)))
            return error_set(e, ST_INVALID, "gradient %zu of row %zu, %g, is too large for %s",
                             i % in->dim, b->first + i / in->dim, element(t, from + i),
                             format_names[in->format]);
    return ST_OK;
}

enum status batch_make(struct batch *b, const struct gradients_input *in, size_t first, size_t rows,
                       struct error *e)
{
    bool pooled = in->pooling != EMBD_POOLING_NONE;
    size_t id_first = pooled ? in->offsets[first] : first;
    size_t id_end = pooled ? in->offsets[first + rows] : first + rows;
    enum status st;

    b->first = first;
    b->rows = rows;
    b->result = (embd_push_result){0};
    b->push = (embd_push){
        .table = in->table,
        .ids = in->ids + id_first,
        .id_count = id_end - id_first,
        .format = in->format,
        .pooling = in->pooling,
        .weights = in->weights ? in->weights + id_first : NULL,
    };
    if (pooled) {
        b->offsets = need_resize(b->offsets, rows + 1, sizeof *b->offsets);
        for (size_t i = 0; i <= rows; i++)
            b->offsets[i] = (uint32_t)(in->offsets[first + i] - id_first);
        b->push.offsets = b->offsets;
        b->push.offset_count = rows + 1;
    }
    st = take_gradients(b, in, e);
    if (st == ST_OK && in->gradients.region && region_damaged(in->gradients.region))
        st = error_set(e, ST_DATA_LOSS, "the gradients became shorter while they were read");
    return st;
}

void batch_done(struct batch *b)
{
    mem_free(b->offsets);
    mem_free(b->converted);
}
