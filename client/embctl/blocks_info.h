/* SPDX-License-Identifier: Apache-2.0 */
/* What inspect and verify tell of a file of changed blocks. */
#pragma once

#include "client/embctl/document.h"
#include "table/blocks_file.h"

/* Open `path` if it is such a file: *fd is then its descriptor (yours) and `f` its header, else *fd
   is -1. A file whose header cannot be read is left to those who read tables. ST_INVALID for a bad
   one, with the path. */
MUST_CHECK enum status blocks_open(struct blocks_file *f, int *fd, const char *path,
                                   struct error *e);
/* Its fields into the object that is open. */
void json_blocks(struct document *j, const struct blocks_file *f);
/* "version 12 of generation 1, 40 blocks on top of version 10" into `out`. */
const char *blocks_summary(char *out, size_t room, const struct blocks_file *f);
/* What print_table() of inspect is for a table. */
void print_blocks(unsigned width, const struct blocks_file *f);
