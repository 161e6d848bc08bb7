/* SPDX-License-Identifier: Apache-2.0 */
/* JSON of table files: scanned, then parsed by jansson with duplicates refused at every level. */
#pragma once

#include <jansson.h>

#include "table/json_scan.h"

/* Parse the one object or list of the text. ST_INVALID with a sentence about the text ("names \"x\"
   twice"), ST_EXHAUSTED when out of memory. `*out` is yours (json_decref). */
MUST_CHECK enum status json_read(json_t **out, const char *text, size_t n,
                                 const struct json_limits *limits, struct error *e);
/* The same for a text inside the metadata (embd.config, …). */
MUST_CHECK enum status json_read_text(json_t **out, const char *text, uint64_t tokens,
                                      struct error *e);

/* An integer, as a JSON integer or as a decimal string (for readers that only have doubles). */
bool json_integer_read(const json_t *value, int64_t *out);
/* The same from 0 to 2^64 - 1. */
bool json_natural_read(const json_t *value, uint64_t *out);
