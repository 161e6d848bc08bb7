/* SPDX-License-Identifier: Apache-2.0 */
/* Between growth.c, which knows whose rows are whose, and growth_rows.c, which knows what a
   training keeps of a row. The writer's. */
#pragma once

#include "table/growth.h"
#include "table/key_map.h"

/* A number of the table's memory is about to be written. */
void growth_keep(struct training *t, const int64_t *at);
/* Begin the cells and states of a spare row anew, where the row has cells of its own. */
void growth_begin_row(struct training *t, uint64_t row);
/* The row is another id's from now on, or nobody's: its count is 0. With nobody inside the gate. */
void frequency_begin(struct training *t, uint64_t row);
