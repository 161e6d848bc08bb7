/* SPDX-License-Identifier: Apache-2.0 */
/* The file below a database, before SQLite has it open: what it is, and how a new one comes to be.
 */
#pragma once

#include "storage/database.h"

/* Look at the file at `path` without SQLite. *found is false if there is none. A file that cannot
   be a database of `format` is refused. */
MUST_CHECK enum status database_examine(const char *path, const struct database_format *format,
                                        bool *found, struct error *e);
/* Make a new database at `path`, where nothing is: under another name first, so that it is there
   with its whole schema and durable, or not at all. */
MUST_CHECK enum status database_make(const char *path, const struct database_format *format,
                                     struct error *e);
/* Run the migrations from user_version `from` on, each in its own transaction. */
MUST_CHECK enum status database_migrate(sqlite3 *db, const struct database_format *format, int from,
                                        struct error *e);
/* The status for a result code of SQLite, extended or not; ST_INTERNAL for what has no other. */
enum status database_status(int code);
