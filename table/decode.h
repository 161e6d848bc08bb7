/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding with unknown ids; between the lookups of the daemon and those of libembd. */
#pragma once

#include "table/table.h"

/* Like table_rows(), but a ROW_UNKNOWN gets the table's default row. */
void table_rows_or_default(const struct table *t, const uint64_t *row, size_t n, void *out);
