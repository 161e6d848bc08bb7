/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of numbers from a file, "-" being standard input: one-dimensional .npy arrays of any
   fitting type, or text with numbers between spaces, commas or newlines; which of the two is seen
   from the first bytes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* `*out` is yours (mem_free). Refusals name the file and the place. */
MUST_CHECK enum status array_read_i64(int64_t **out, size_t *n, const char *path, struct error *e);
MUST_CHECK enum status array_read_u32(uint32_t **out, size_t *n, const char *path, struct error *e);
MUST_CHECK enum status array_read_f32(float **out, size_t *n, const char *path, struct error *e);

/* Whether at most one of these files (NULL: not given) is standard input. */
bool one_standard_input(const char *const *path, size_t count);

/* Where the bags of a list of ids come from. */
struct bags_source {
    int pooling;                   /* EMBD_POOLING_…; NONE: there are no offsets */
    const char *offsets, *weights; /* files, or NULL: one bag of all ids; no weights */
    size_t id_count;
};
/* Read and check offsets and weights; what is not there is NULL. Both are yours (mem_free). */
MUST_CHECK enum status bags_read(uint32_t **offsets, size_t *offset_count, float **weights,
                                 const struct bags_source *from, struct error *e);
