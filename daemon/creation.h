/* SPDX-License-Identifier: Apache-2.0 */
/* What Tables.Create was asked for, on its way from the worker to a loader, who makes the file that
   the table is then loaded from. Owned by an order. */
#pragma once

#include "daemon/table_options.h"
#include "proto/embd.pb-c.h"
#include "table/begin.h"

struct creation;

/* Copy the request. ST_INVALID for what can be seen at once. */
MUST_CHECK enum status creation_new(struct creation **out, const Embd__V1__CreateRequest *request,
                                    struct error *e);
void creation_free(struct creation *c); /* NULL is fine */

/* Make the file and open it: it has no name any more when this returns. `path` is where it is
   while it is written; a file that is there is replaced. A table of more than `most` bytes is
   ST_EXHAUSTED. `settings` say what trains it. Takes its time; a loader's. */
MUST_CHECK enum status creation_make(int *fd, struct creation *c,
                                     const struct table_settings *settings, const char *path,
                                     uint64_t most, struct error *e);
/* Where the file of a table of that name is written meanwhile, in the data folder; yours
   (mem_free), NULL without memory. What begins like that and is there at a start is of a crash. */
#define CREATION_PREFIX "create."
char *creation_path(const char *data_dir, const char *name);
