/* SPDX-License-Identifier: Apache-2.0 */
/* An open database: its statements, its transactions, and what SQLite's codes mean to us. */
#include "storage/database.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "storage/database_file.h"

enum status database_status(int code)
{
    switch (code & 0xff) { /* the low byte is the kind, the rest says more */
    case SQLITE_OK:
        return ST_OK;
    case SQLITE_FULL:
    case SQLITE_NOMEM:
    case SQLITE_TOOBIG:
        return ST_EXHAUSTED;
    case SQLITE_IOERR:
        return code == SQLITE_IOERR_NOMEM ? ST_EXHAUSTED : ST_UNAVAILABLE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN:
        return ST_UNAVAILABLE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ST_DATA_LOSS;
    case SQLITE_READONLY:
        return code == SQLITE_READONLY_DBMOVED ? ST_UNAVAILABLE : ST_PERMISSION;
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return ST_PERMISSION;
    default:
        return ST_INTERNAL;
    }
}

/* errno of the last failed call on the file or on its -wal or -journal, 0 if there was none. SQLite
   has sqlite3_system_errno() for that, which knows nothing of a failed COMMIT. */
static int last_errno(sqlite3 *db, int operation)
{
    sqlite3_file *file = NULL;
    int number = 0;

    sqlite3_file_control(db, "main", operation, &file);
    if (file && file->pMethods)
        file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &number);
    return number;
}

static bool no_room(int number)
{
    return number == ENOSPC || number == EDQUOT || number == EFBIG;
}

/* A quota or a limit on file sizes is to SQLite an I/O error like any other. To us it is a full
   disk: the write did not happen, and later ones may. A failed sync is not so, pages may be gone.
 */
static bool disk_full(int code, int file, int journal)
{
    if ((code & 0xff) == SQLITE_FULL)
        return true;
    return code == SQLITE_IOERR_WRITE && (no_room(file) || no_room(journal)) &&
           (!file || no_room(file)) && (!journal || no_room(journal));
}

enum status database_error(struct database *d, int code, struct error *e)
{
    const char *name = d->format->file, *text = sqlite3_errmsg(d->db);
    enum status st = database_status(code);
    int file = last_errno(d->db, SQLITE_FCNTL_FILE_POINTER);
    int journal = last_errno(d->db, SQLITE_FCNTL_JOURNAL_POINTER);
    char buffer[128];

    d->full = disk_full(code, file, journal);
    if (d->full)
        return error_set(e, ST_EXHAUSTED, "%s cannot grow: the disk is full", name);
    switch (code & 0xff) {
    case SQLITE_IOERR:
        if (st == ST_EXHAUSTED)
            break;
        d->failed = true;
        return error_set(e, st, "%s cannot be read or written: %s (SQLite's code %d)", name,
                         strerror_r(journal ? journal
                                    : file  ? file
                                            : EIO,
                                    buffer, sizeof buffer),
                         code);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        d->failed = true;
        return error_set(e, st, "%s is damaged: %s", QUOTE(d->path), text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return error_set(e, st, "%s is locked by another process", QUOTE(d->path));
    case SQLITE_READONLY:
        d->failed = true;
        if (code == SQLITE_READONLY_DBMOVED)
            return error_set(e, st, "%s was removed or replaced", QUOTE(d->path));
        break;
    default:
        break;
    }
    return error_set(e, st, "%s: %s", name, text);
}

sqlite3_stmt *database_statement(struct database *d, unsigned number)
{
    sqlite3_stmt *s = d->prepared[number];

    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return s;
}

enum status database_step(struct database *d, sqlite3_stmt *s, bool *row, struct error *e)
{
    int code = sqlite3_step(s);
    enum status st = ST_OK;

    *row = code == SQLITE_ROW;
    if (code == SQLITE_ROW)
        return ST_OK;
    if (code != SQLITE_DONE)
        st = database_error(d, code, e);
    sqlite3_reset(s); /* a statement under way would keep its locks */
    return st;
}

enum status database_run(struct database *d, sqlite3_stmt *s, struct error *e)
{
    bool row;
    enum status st = database_step(d, s, &row, e);

    sqlite3_reset(s);
    return st;
}

enum status database_execute(struct database *d, const char *sql, struct error *e)
{
    int code = sqlite3_exec(d->db, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? ST_OK : database_error(d, code, e);
}

enum status database_begin(struct database *d, struct error *e)
{
    return database_execute(d, "BEGIN IMMEDIATE", e);
}

enum status database_commit(struct database *d, struct error *e)
{
    enum status st = database_execute(d, "COMMIT", e);

    if (st != ST_OK)
        database_rollback(d);
    return st;
}

void database_rollback(struct database *d)
{
    if (!sqlite3_get_autocommit(d->db)) /* many failures have rolled back already */
        sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
}

void database_accept(struct database *d, bool accepted)
{
    sqlite3_db_config(d->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, accepted ? 0 : 1, NULL);
}
