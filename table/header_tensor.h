/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of header_parse(): one entry of the JSON, all of them together, their limits, the header's
   own checksum. */
#pragma once

#include <jansson.h>

#include "table/safetensors.h"

#define TENSOR_NAME_MOST 255
#define TENSORS_MOST 10000

/* Read the entry of one tensor. t->tensor.name is set; t->offset becomes the place within the data
   area. */
MUST_CHECK enum status header_tensor_read(struct file_tensor *t, const json_t *entry,
                                          struct error *e);
/* Sort the tensors by place and hold them against each other and the data area: no hole, no
   overlap, nothing behind the last. */
MUST_CHECK enum status header_layout_check(struct file_tensor *t, size_t count, uint64_t data_bytes,
                                           struct error *e);

/* Whether the header (eight bytes and JSON) has an `embd.header` that is right. */
MUST_CHECK enum status header_seal_check(bool *sealed, const unsigned char *header, size_t n,
                                         struct error *e);
