/* SPDX-License-Identifier: Apache-2.0 */
/* A tensor in memory: where it lies, what its elements are, how it is shaped. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum dtype {
    DT_BOOL,
    DT_U8,
    DT_I8,
    DT_U16,
    DT_I16,
    DT_F16,
    DT_BF16,
    DT_U32,
    DT_I32,
    DT_F32,
    DT_U64,
    DT_I64,
    DT_F64,
    DT_COUNT
};

#define DT(d) (1u << DT_##d) /* one bit for sets of types */
#define TENSOR_RANK_MAX 8

struct tensor {
    const char *name; /* as in the file, with the field's prefix if any */
    enum dtype dtype;
    unsigned rank;
    uint64_t shape[TENSOR_RANK_MAX];
    size_t count; /* elements: product of the shape */
    size_t bytes;
    void *data; /* NULL if absent; aligned to the element; C order, little-endian */
};

size_t dtype_size(enum dtype d);          /* bytes of one element */
const char *dtype_name(enum dtype d);     /* "F32", as safetensors writes it */
int dtype_parse(const char *s, size_t n); /* the enum's number, or -1 */
