/* SPDX-License-Identifier: Apache-2.0 */
/* What lookups with and without a cache share, and those of the daemon and of libembd. */
#pragma once

#include "table/lookup.h"
#include "table/table.h"

/* Like table_rows(), but a ROW_UNKNOWN gets the table's default row. */
void table_rows_or_default(const struct table *t, const uint64_t *row, size_t n, void *out);
/* `n` float32 rows into the format of the reply. */
void lookup_put_rows(const struct lookup *l, void *out, const float *in, size_t n);
/* ST_DATA_LOSS if the table's file was found damaged. */
MUST_CHECK enum status lookup_whole(const struct lookup *l, struct error *e);
