/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the registry share; for them alone. */
#pragma once

#include <sys/types.h>

#include "storage/database.h"
#include "storage/log_mark.h"
#include "storage/registry.h"

extern const struct database_format log_format;

enum log_statement {
    LOG_ROWS,
    LOG_ADD,
    TABLE_ROWS,
    TABLE_PUT,
    TABLE_BODY,
    TABLE_NOT_AS_LOGGED,
    LOGGED_NOT_A_TABLE,
    OPTIONS_VALID,
    FILE_FIND,
    FILE_PUT,
    FILE_DROP_OLD,
    LOG_STATEMENTS
};

/* A state of the `tables` table in log.db; the numbers are part of the file's format. */
enum table_state { TABLE_SERVED = 1, TABLE_UNLOADED = 2, TABLE_FORGOTTEN = 3 };

/* A name that was ever registered. */
struct name {
    struct registered now; /* file and options are its own */
    enum table_state state;
};

/* A file that SQLite has open, as it was after our last write. */
struct watched {
    char *path;
    dev_t device;
    ino_t inode;
    off_t size;
};

struct registry {
    struct database *db;
    struct log_mark mark;
    struct name **names; /* sorted, forgotten ones too: their generation counts */
    size_t count;
    const struct registered **list; /* sorted, without the forgotten */
    size_t listed;
    size_t capacity;        /* of both */
    uint64_t lsn, checksum; /* of the last change */
    uint64_t marked;
    bool unmoved; /* the -wal holds something that log.db does not */
    struct watched file, wal;
    bool in_trouble;      /* for ever */
    struct error trouble; /* why */
};

/* XXH3-64 of the numbers in order, eight little-endian bytes each, and of `n` bytes after them. */
MUST_CHECK enum status row_checksum(uint64_t *out, const uint64_t *numbers, size_t count,
                                    const void *data, size_t n, struct error *e);

struct name *name_new(const char *file, const char *options);
void name_free(struct name *name);
/* Room for one name more. */
MUST_CHECK enum status names_reserve(struct registry *r, struct error *e);
/* Where the name is or would be; *found says which. */
size_t names_find(const struct registry *r, const char *name, bool *found);
/* Put `name` in the place of its old self, or where it belongs; there is room. */
void names_put(struct registry *r, struct name *name);

/* Check every row of the log and load the names; r->marked is the checksum of the row `marked`. */
MUST_CHECK enum status registry_load(struct registry *r, uint64_t marked, struct error *e);

/* Remember the files as they are now. */
MUST_CHECK enum status watch_start(struct registry *r, struct error *e);
/* The sizes after a write of our own. */
void watch_written(struct registry *r);
/* Remember a trouble for ever and return ST_UNAVAILABLE. */
enum status trouble_set(struct registry *r, struct error *e);
/* The status of a failed write, remembered if it was more than a full disk. */
enum status trouble_after(struct registry *r, enum status st, struct error *e);
