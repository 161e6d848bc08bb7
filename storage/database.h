/* SPDX-License-Identifier: Apache-2.0 */
/* One SQLite file of ours: made whole or not at all, examined before it is used, its schema brought
   up to date by migrations, its statements prepared once. Owned by one thread at a time. */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/status.h"

/* What a kind of file is; constant data of its owner. */
struct database_format {
    const char *file;             /* its name in the folder */
    uint32_t application_id;      /* in SQLite's header: whose file it is */
    mode_t mode;                  /* permissions of a new file … */
    unsigned page_bytes;          /* … and its pages; one that is there keeps its own */
    const char *journal;          /* journal_mode, in SQLite's small letters */
    const char *settings;         /* PRAGMAs for each time it is opened */
    int busy_ms;                  /* how long to wait for the lock of another process */
    const char *const *migration; /* [v]: SQL that leads from user_version v to v + 1 */
    int migrations;
    const char *const *statement; /* SQL, numbered by an enum of the owner */
    unsigned statements;
};

struct database {
    const struct database_format *format;
    sqlite3 *db;
    char *path;
    unsigned page_bytes;
    bool failed;  /* a read or write of the file failed: nothing written is sure any more */
    bool full;    /* the last failure was a full disk: nothing has happened */
    bool created; /* by this database_open() */
    sqlite3_stmt *prepared[]; /* by number */
};

/* Open the file in `folder`, or create it if it is not there. A file that is empty, damaged
   (quick_check) or no database is ST_DATA_LOSS, one of another program or of a newer version
   ST_PRECONDITION, one that another process holds ST_UNAVAILABLE, one that cannot be written
   ST_PERMISSION; each is named and left as it is. */
MUST_CHECK enum status database_open(struct database **out, const struct database_format *format,
                                     const char *folder, struct error *e);
/* Whether closing may move a WAL into the file; at first it may not, so that a file which its owner
   refuses, too, stays as it is. */
void database_accept(struct database *d, bool accepted);
void database_close(struct database *d); /* NULL is fine */

/* A prepared statement, reset and without values; borrowed. */
sqlite3_stmt *database_statement(struct database *d, unsigned number);
/* Step once: *row says whether there is one; without one the statement is reset. */
MUST_CHECK enum status database_step(struct database *d, sqlite3_stmt *s, bool *row,
                                     struct error *e);
/* Run a statement that gives no row. */
MUST_CHECK enum status database_run(struct database *d, sqlite3_stmt *s, struct error *e);

/* Run SQL that gives no rows and has no values. */
MUST_CHECK enum status database_execute(struct database *d, const char *sql, struct error *e);
/* A transaction. A failed commit is rolled back. */
MUST_CHECK enum status database_begin(struct database *d, struct error *e);
MUST_CHECK enum status database_commit(struct database *d, struct error *e);
void database_rollback(struct database *d); /* nothing happens outside a transaction */

/* The sentence and status for a result code of SQLite: a full disk is ST_EXHAUSTED, a lock
   ST_UNAVAILABLE, damage ST_DATA_LOSS; after damage or a failed read or write `failed` is set. */
enum status database_error(struct database *d, int code, struct error *e);

/* Bind a number of 64 bits as it is, without a sign. */
static inline void bind_u64(sqlite3_stmt *s, int place, uint64_t value)
{
    sqlite3_bind_int64(s, place, (sqlite3_int64)value);
}

/* Bind a text that stays where it is while the statement runs; NULL is SQL's NULL. */
static inline void bind_text(sqlite3_stmt *s, int place, const char *text)
{
    sqlite3_bind_text(s, place, text, -1, SQLITE_STATIC);
}

static inline uint64_t column_u64(sqlite3_stmt *s, int place)
{
    return (uint64_t)sqlite3_column_int64(s, place);
}
