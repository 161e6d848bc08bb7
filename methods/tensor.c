/* SPDX-License-Identifier: Apache-2.0 */
/* The element types of tensors: sizes and names. No state; any thread. */
#include "methods/tensor.h"

#include <string.h>

static const struct {
    const char *name;
    unsigned char size;
} types[DT_COUNT] = {
    [DT_BOOL] = {"BOOL", 1}, [DT_U8] = {"U8", 1},   [DT_I8] = {"I8", 1},     [DT_U16] = {"U16", 2},
    [DT_I16] = {"I16", 2},   [DT_F16] = {"F16", 2}, [DT_BF16] = {"BF16", 2}, [DT_U32] = {"U32", 4},
    [DT_I32] = {"I32", 4},   [DT_F32] = {"F32", 4}, [DT_U64] = {"U64", 8},   [DT_I64] = {"I64", 8},
    [DT_F64] = {"F64", 8},
};

size_t dtype_size(enum dtype d)
{
    return types[d].size;
}

const char *dtype_name(enum dtype d)
{
    return types[d].name;
}

int dtype_parse(const char *s, size_t n)
{
    for (int d = 0; d < DT_COUNT; d++)
        if (strlen(types[d].name) == n && memcmp(types[d].name, s, n) == 0)
            return d;
    return -1;
}
