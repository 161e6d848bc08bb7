/* SPDX-License-Identifier: Apache-2.0 */
/* A safetensors header on its way out: metadata and tensors -> JSON -> bytes. For the writer of
   safetensors.c, which makes it twice, and header_build(). No state; any thread. */
#pragma once

#include <jansson.h>

#include "table/safetensors.h"

/* The JSON as a tree; place[i] counts from the start of the data area. `*out` is yours
   (json_decref). ST_INVALID for a value that is not UTF-8. */
MUST_CHECK enum status header_tree(json_t **out, const struct metadata *metadata,
                                   size_t metadata_count, const struct tensor *tensor,
                                   const size_t *place, size_t count, struct error *e);
/* The size of a header of `n` bytes once spaces have brought it to where data may begin. */
size_t header_padded(size_t n);
/* Write the eight bytes, the JSON and spaces up to `room` at `to`. JSON that was measured before
   can still fail to be written, for want of memory. */
MUST_CHECK enum status header_put(unsigned char *to, size_t room, const json_t *root,
                                  struct error *e);
