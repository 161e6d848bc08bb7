/* SPDX-License-Identifier: Apache-2.0 */
/* What inspect, verify and compress tell of a table file. */
#pragma once

#include "client/embctl/document.h"
#include "table/table.h"

/* Options for opening files by hand: headers as large as the format allows. */
struct table_options file_options(void);
/* "int8, 20,000 × 100, 2.06 MiB, ratio 0.2700" into `out`. */
const char *file_summary(char *out, size_t room, const struct table *t);
/* The sum of the frequency of a file's rows, at most UINT64_MAX; 0 if the table has none. Reads all
   of it. */
uint64_t file_accesses(const struct table *t);
/* The fields of a table into the object that is open. */
void json_table(struct document *j, const struct table *t);
void json_tensors(struct document *j, const struct header *h);
/* The tensors of a header, largest first. */
void print_file_tensors(const struct header *h);
const char *id_mode_name(enum id_mode ids);
