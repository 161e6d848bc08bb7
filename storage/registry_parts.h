/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the registry share; for them alone. */
#pragma once

#include <sys/types.h>

#include "storage/database.h"
#include "storage/count_body.h"
#include "storage/growth_body.h"
#include "storage/log_mark.h"
#include "storage/push_body.h"
#include "storage/registry.h"
#include "storage/trainers.h"

extern const struct database_format log_format;

enum log_statement {
    LOG_ROWS,
    LOG_REPLAY,
    LOG_ADD,
    LOG_OLDEST,
    LOG_DROP,
    FRONT_GET,
    FRONT_PUT,
    TABLE_ROWS,
    TABLE_PUT,
    TABLE_SEAL,
    TABLE_BODY,
    TABLE_NOT_AS_LOGGED,
    CHANGE_FIELDS,
    OPTIONS_VALID,
    TRAINER_ROWS,
    TRAINER_PUT,
    TRAINER_DROP,
    PUSH_FIND,
    PUSH_INDEXED,
    PUSHES_INDEXED,
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
    uint64_t seal;   /* 0 may also be that there is none yet, see `sealed` */
    uint64_t pushed; /* the newest version that a push of this life made, 0: none that is known */
    uint64_t staged; /* the same with the group that is being written */
    /* While the log is read: */
    bool sealed;
    bool changed;        /* by the rows so far, */
    bool gone;           /* in the end unloaded; */
    uint64_t generation; /* and of this life, 0: they say nothing of it */
};

/* A file that SQLite has open, as it was after our last write. */
struct watched {
    char *path;
    dev_t device;
    ino_t inode;
    off_t size;
};

/* What `front` says: the last row that was deleted, and who was there then. */
struct front {
    uint64_t lsn, checksum, names;
};

struct registry {
    struct database *db;
    struct log_mark mark;
    struct name **names; /* sorted, forgotten ones too: their generation counts */
    size_t count;
    const struct registered **list; /* sorted, without the forgotten */
    size_t listed;
    size_t capacity; /* of both */
    struct trainers trainers;
    size_t max_trainers;
    struct front front;
    uint64_t lsn, checksum; /* of the last change */
    uint64_t bytes;         /* of the bodies in the log */
    uint64_t marked;
    uint64_t wal_pages; /* in the -wal and not in log.db, as SQLite said at the last commit */
    bool unmoved;       /* the -wal holds something that log.db does not */
    bool relaxed;       /* SQLite is told not to sync when it commits */
    bool unsynced;      /* something was committed that may not be on disk */
    struct watched file, wal;
    int wal_fd;           /* of our own, to sync it */
    bool in_trouble;      /* for ever */
    struct error trouble; /* why */
};

/* ---- Checksums ---- */

/* XXH3-64 of the numbers in order, eight little-endian bytes each, and of `n` bytes after them. */
MUST_CHECK enum status row_checksum(uint64_t *out, const uint64_t *numbers, size_t count,
                                    const void *data, size_t n, struct error *e);
uint64_t name_hash(const char *name);
uint64_t front_seal(const struct front *f);
uint64_t position_seal(const struct position *p);
MUST_CHECK enum status name_seal(uint64_t *out, const struct name *name, struct error *e);

/* ---- Names ---- */

struct name *name_new(const char *file, const char *options);
void name_free(struct name *name);
/* Room for `more` names more. */
MUST_CHECK enum status names_reserve(struct registry *r, size_t more, struct error *e);
/* Where the name is or would be; *found says which. */
size_t names_find(const struct registry *r, const char *name, bool *found);
/* Put `name` in the place of its old self, or where it belongs; there is room. */
void names_put(struct registry *r, struct name *name);

/* ---- Rows of the log ---- */

struct row {
    uint64_t lsn, checksum;
    enum change_kind kind;
    int64_t time_us;
    const char *trainer; /* NULL: none */
    uint64_t sequence;   /* 0: none */
    const void *body;    /* text, or of pushes and counts a BLOB */
    size_t n;
    struct push_body push;    /* what the body of a push says, when it was read, … */
    struct growth_row growth; /* … that of ids that come or go … */
    struct count_body count;  /* … or that of counts */
};

/* Whether rows of the kind are about ids that come and go. */
bool row_grows(enum change_kind kind);
enum status row_damaged(const struct registry *r, struct error *e, const char *what, uint64_t lsn);
/* The row on which a statement with the columns of LOG_ROWS stands, held against its checksum and
   its body; borrowed until the next step. `expected` is the lsn that it should have. */
MUST_CHECK enum status row_read(struct registry *r, sqlite3_stmt *s, uint64_t expected,
                                struct row *row, struct error *e);
/* What a row of a kind up to CHANGE_OPTIONS made of its table; borrowed until the next call. */
MUST_CHECK enum status row_change(struct registry *r, const struct row *row,
                                  struct registered *change, struct error *e);
MUST_CHECK enum status row_add(struct registry *r, const struct row *row, struct error *e);
/* The body of CHANGE_FORGET_TRAINER. */
#define FORGET_BODY_MAX 192
const char *forget_body(char out[FORGET_BODY_MAX], const char *trainer, uint64_t sequence);

/* ---- Pushes ---- */

#define ROW_NUMBERS 24 /* bytes of lsn, kind and time, which a checksum begins with */

/* The served name that the row is about, if the row follows: else the next start would take it for
   damage. */
MUST_CHECK enum status growth_stage(struct registry *r, const struct growth_row *growth,
                                    struct name **out, struct error *e);
/* Write the row; `scratch` has room for ROW_NUMBERS and the body. */
MUST_CHECK enum status growth_write_row(struct registry *r, const struct growth_row *growth,
                                        enum change_kind kind, unsigned char *scratch,
                                        struct row *row, struct error *e);
/* A served name, or NULL. */
struct name *names_served(const struct registry *r, const char *name);

/* ---- Opening ---- */

/* Check every row of the log and load tables and trainers; r->marked is the checksum of the row
   `marked`. */
MUST_CHECK enum status registry_load(struct registry *r, uint64_t marked, struct error *e);
/* Load the tables and the trainers; what they say is held against the log later. */
MUST_CHECK enum status load_names(struct registry *r, struct error *e);
MUST_CHECK enum status load_trainers(struct registry *r, struct error *e);
/* Seal the tables of an older version, whose schema had no seals. */
MUST_CHECK enum status seal_names(struct registry *r, struct error *e);

/* ---- Transactions ---- */

/* Begin a transaction that will be durable when log_end() has said so, or, without `sync`, some
   time later. */
MUST_CHECK enum status log_begin(struct registry *r, bool sync, struct error *e);
/* Commit if `st`, what came of the transaction so far, is ST_OK, else roll back. ST_EXHAUSTED:
   nothing has happened. After any other failure the log is in trouble for ever. */
MUST_CHECK enum status log_end(struct registry *r, enum status st, bool sync, struct error *e);
/* The log has come to a row, by a transaction that has ended well. */
void log_advance(struct registry *r, uint64_t lsn, uint64_t checksum, uint64_t bytes);
/* Write log.mark if what it should say is on disk. */
void log_settle(struct registry *r);
/* A failpoint has said that the operation failed: the same as if it had. */
enum status log_failed(struct registry *r, struct error *e);
/* Have SQLite count the pages of the -wal. */
void log_count_pages(struct registry *r);

/* ---- The files ---- */

/* Remember the files as they are now. */
MUST_CHECK enum status watch_start(struct registry *r, struct error *e);
/* The sizes after a write of our own. */
void watch_written(struct registry *r);
/* Remember a trouble for ever and return ST_UNAVAILABLE. */
enum status trouble_set(struct registry *r, struct error *e);
/* The status of a failed write, remembered if it was more than a full disk. */
enum status trouble_after(struct registry *r, enum status st, struct error *e);
