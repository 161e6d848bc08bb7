/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a log row about ids that come or go. Numbers are little-endian.

     name       of the table, and a NUL; first, so that SQL can show it
     form       1 byte: 1
     0          7 bytes
     generation 8 bytes
     version    8 bytes
     count      8 bytes
     keys       8 bytes each
     rows       8 bytes each

   A body is as long as it says, or it is refused. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "storage/registry.h"

size_t growth_body_size(const struct growth_row *row);
void growth_body_write(void *out, const struct growth_row *row);
/* False if the bytes are not such a body. Keys and rows are views into it. */
bool growth_body_read(struct growth_row *row, const void *data, size_t n);
