/* SPDX-License-Identifier: Apache-2.0 */
/* Between growth.c, which knows whose rows are whose, and growth_rows.c, which knows what a
   training keeps of a row. The writer's. */
#pragma once

#include "table/growth.h"
#include "table/key_map.h"

/* Write a number of the table's memory, unless it is there already. */
void growth_write(struct training *t, int64_t *to, int64_t value);
/* Begin the cells and states of a spare row anew, where the row has cells of its own, and its
   count. */
void growth_begin_row(struct training *t, uint64_t row);
