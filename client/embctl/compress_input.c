/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the trained table. One thread. */
#include "client/embctl/compress_input.h"

#include <inttypes.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "client/embctl/array.h"
#include "client/embctl/print.h"
#include "kernels/kernels.h"

static const char *name_of(const char *path)
{
    return strcmp(path, "-") ? path : "standard input";
}

static enum status check_array(const struct tensor *t, struct error *e)
{
    if (t->dtype != DT_F32 && t->dtype != DT_F16 && t->dtype != DT_F64)
        return error_set(e, ST_INVALID,
                         "the array has type %s; float32, float16 and float64 can "
                         "be compressed",
                         dtype_name(t->dtype));
    if (t->rank != 2)
        return error_set(e, ST_INVALID, "the array has %u dimensions; a table has two", t->rank);
    if (t->shape[1] < 1 || t->shape[1] > METHOD_DIM_MAX)
        return error_set(e, ST_INVALID, "the array has %" PRIu64 " columns; a table has 1 to %d",
                         t->shape[1], METHOD_DIM_MAX);
    return ST_OK;
}

static enum status read_counts(struct input *in, const char *path, struct error *e)
{
    enum status st;
    size_t n;

    st = array_read_i64(&in->frequency, &n, path, e);
    if (st != ST_OK)
        return st;
    if (n != in->rows)
        return error_set(e, ST_INVALID, "%s has %zu counts for %" PRIu64 " rows", name_of(path), n,
                         in->rows);
    in->weight = need(n * sizeof *in->weight);
    for (size_t i = 0; i < n; i++) {
        if (in->frequency[i] < 0)
            return error_set(e, ST_INVALID, "%s: count %zu is negative: %" PRId64, name_of(path), i,
                             in->frequency[i]);
        in->weight[i] = (float)in->frequency[i] + 1.0f;
    }
    return ST_OK;
}

static enum status read_keys(struct input *in, const char *path, struct error *e)
{
    enum status st;
    size_t n;

    st = array_read_i64(&in->keys, &n, path, e);
    if (st == ST_OK && n != in->rows)
        st = error_set(e, ST_INVALID, "%s has %zu keys for %" PRIu64 " rows", name_of(path), n,
                       in->rows);
    return st;
}

enum status input_open(struct input *in, const char *path, const char *frequency, const char *keys,
                       struct error *e)
{
    enum status st;

    memset(in, 0, sizeof *in);
    st = npy_open(&in->array, path, UINT64_MAX, e);
    if (st != ST_OK)
        return st;
    st = check_array(&in->array.array, e);
    if (st != ST_OK) {
        error_prefix(e, st, "%s", name_of(path));
        goto out;
    }
    in->rows = in->array.array.shape[0];
    in->dim = (uint32_t)in->array.array.shape[1];
    if (frequency)
        st = read_counts(in, frequency, e);
    if (st == ST_OK && keys)
        st = read_keys(in, keys, e);
out:
    if (st != ST_OK)
        input_close(in);
    return st;
}

void input_close(struct input *in)
{
    npy_close(&in->array);
    mem_free(in->frequency);
    mem_free(in->weight);
    mem_free(in->keys);
    memset(in, 0, sizeof *in);
}

enum status input_read(const struct input *in, uint64_t first, size_t n, float *out,
                       struct error *e)
{
    const struct tensor *t = &in->array.array;
    size_t at = (size_t)first * in->dim, count = n * in->dim;

    if (t->dtype == DT_F32)
        memcpy(out, (const float *)t->data + at, count * sizeof *out);
    for (size_t i = 0; t->dtype == DT_F16 && i < count; i++)
        out[i] = f32_from_f16(((const uint16_t *)t->data)[at + i]);
    for (size_t i = 0; t->dtype == DT_F64 && i < count; i++)
        out[i] = (float)((const double *)t->data)[at + i];
    if (in->array.region && region_damaged(in->array.region))
        return error_set(e, ST_DATA_LOSS, "the array became shorter while it was read");
    return ST_OK;
}
