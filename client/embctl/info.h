/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon says of a table, in words and as JSON. */
#pragma once

#include "client/embctl/json.h"
#include "proto/embd.pb-c.h"

const char *state_name(int state);   /* "serving", "damaged" */
const char *memory_name(int memory); /* "map", "copy", "lock" */
const char *ids_name(int ids);       /* "rows", "keys", "hash" */

/* The fields of a TableInfo into the object that is open. */
void json_table_info(struct json *j, const Embd__V1__TableInfo *t);

/* "1,000 × 100" into `out`. */
const char *shape_format(char *out, size_t room, const uint64_t *shape, size_t rank);
