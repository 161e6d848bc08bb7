/* SPDX-License-Identifier: Apache-2.0 */
/* Bags of ids, as commands get them from files. No state. */
#include <string.h>

#include "base/memory.h"
#include "client/embctl/array.h"
#include "client/embctl/print.h"
#include "client/embdclient.h"

bool one_standard_input(const char *const *path, size_t count)
{
    unsigned standard = 0;

    for (size_t i = 0; i < count; i++)
        standard += path[i] && !strcmp(path[i], "-");
    return standard <= 1;
}

static enum status check(const uint32_t *offsets, size_t count, size_t id_count, struct error *e)
{
    for (size_t i = 1; i < count; i++)
        if (offsets[i] < offsets[i - 1])
            return error_set(e, ST_INVALID, "offset %zu falls from %u to %u", i, offsets[i - 1],
                             offsets[i]);
    if (!count || offsets[0] != 0 || offsets[count - 1] != id_count)
        return error_set(e, ST_INVALID, "offsets go from 0 to the number of ids, %zu", id_count);
    return ST_OK;
}

static enum status one_bag(uint32_t **offsets, size_t id_count, struct error *e)
{
    if (id_count > UINT32_MAX)
        return error_set(e, ST_INVALID, "%zu ids are too many for one bag", id_count);
    *offsets = need_zero(2, sizeof **offsets);
    (*offsets)[1] = (uint32_t)id_count;
    return ST_OK;
}

enum status bags_read(uint32_t **offsets, size_t *offset_count, float **weights,
                      const struct bags_source *from, struct error *e)
{
    enum status st = ST_OK;
    size_t n;

    if (from->weights) {
        st = array_read_f32(weights, &n, from->weights, e);
        if (st == ST_OK && n != from->id_count)
            st = error_set(e, ST_INVALID, "there are %zu weights for %zu ids", n, from->id_count);
    }
    if (st != ST_OK || from->pooling == EMBD_POOLING_NONE)
        return st;
    if (!from->offsets) {
        *offset_count = 2;
        return one_bag(offsets, from->id_count, e);
    }
    st = array_read_u32(offsets, offset_count, from->offsets, e);
    return st == ST_OK ? check(*offsets, *offset_count, from->id_count, e) : st;
}
