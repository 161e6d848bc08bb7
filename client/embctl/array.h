/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of numbers from a file, "-" being standard input: one-dimensional .npy arrays of any
   fitting type, or text with numbers between spaces, commas or newlines; which of the two is seen
   from the first bytes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* `*out` is yours (mem_free). Refusals name the file and the place. */
MUST_CHECK enum status array_read_i64(int64_t **out, size_t *n, const char *path, struct error *e);
MUST_CHECK enum status array_read_u32(uint32_t **out, size_t *n, const char *path, struct error *e);
MUST_CHECK enum status array_read_f32(float **out, size_t *n, const char *path, struct error *e);
