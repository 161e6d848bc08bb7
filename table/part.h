/* SPDX-License-Identifier: Apache-2.0 */
/* Which set of parameters a row belongs to; between resolve.c and the lookups. */
#pragma once

#include "table/table.h"

/* Place in t->part of a row below t->rows. */
size_t table_part(const struct table *t, uint64_t row);
