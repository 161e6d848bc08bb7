/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a database of ours: everything that can be checked is checked before its owner gets it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "storage/database.h"
#include "storage/database_file.h"

/* The first row of a query, as a number and as a text of its first column. */
static enum status ask(struct database *d, const char *sql, int *number, char *text, size_t room,
                       struct error *e)
{
    sqlite3_stmt *s = NULL;
    int code = sqlite3_prepare_v2(d->db, sql, -1, &s, NULL);
    enum status st = ST_OK;

    if (code == SQLITE_OK)
        code = sqlite3_step(s);
    if (code == SQLITE_ROW) {
        const char *column = (const char *)sqlite3_column_text(s, 0);

        *number = sqlite3_column_int(s, 0);
        snprintf(text, room, "%s", column ? column : "");
    } else if (code == SQLITE_DONE) {
        st = error_set(e, ST_INTERNAL, "%s: no answer to %s", d->format->file, sql);
    } else {
        st = database_error(d, code, e);
    }
    sqlite3_finalize(s);
    return st;
}

/* Settings of the connection; they change nothing in the file. */
static enum status set_up(struct database *d, struct error *e)
{
    enum status st;

    sqlite3_extended_result_codes(d->db, 1);
    sqlite3_busy_timeout(d->db, d->format->busy_ms);
    sqlite3_limit(d->db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_db_config(d->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(d->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    sqlite3_db_config(d->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    database_accept(d, false);
    if ((st = database_execute(d, d->format->settings, e)) != ST_OK) /* has the locking mode */
        return st;
    return database_execute(
        d, "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA secure_delete = OFF", e);
}

static enum status check_version(struct database *d, int *version, struct error *e)
{
    char text[32];
    enum status st = ask(d, "PRAGMA user_version", version, text, sizeof text, e);

    if (st != ST_OK)
        return st;
    if (*version > d->format->migrations)
        return error_set(e, ST_PRECONDITION,
                         "%s is of version %d, made by a newer embd; this one knows versions up to "
                         "%d",
                         QUOTE(d->path), *version, d->format->migrations);
    if (*version <= 0)
        return error_set(e, ST_DATA_LOSS, "%s is damaged: there is no version %d", QUOTE(d->path),
                         *version);
    return ST_OK;
}

static enum status check_content(struct database *d, struct error *e)
{
    char text[256];
    int number;
    enum status st = ask(d, "PRAGMA quick_check(1)", &number, text, sizeof text, e);

    if (st == ST_OK && strcmp(text, "ok"))
        st = error_set(e, ST_DATA_LOSS, "%s is damaged: %s", QUOTE(d->path), QUOTE(text));
    return st;
}

static enum status set_journal(struct database *d, struct error *e)
{
    char sql[64], text[32];
    int number;
    enum status st;

    snprintf(sql, sizeof sql, "PRAGMA journal_mode = %s", d->format->journal);
    st = ask(d, sql, &number, text, sizeof text, e);
    if (st == ST_OK && strcmp(text, d->format->journal))
        st = error_set(e, ST_INTERNAL, "%s: journal_mode is %s, not %s", QUOTE(d->path), text,
                       d->format->journal);
    return st;
}

static enum status find_page_size(struct database *d, struct error *e)
{
    char text[32];
    int number = 0;
    enum status st = ask(d, "PRAGMA page_size", &number, text, sizeof text, e);

    d->page_bytes = (unsigned)number;
    return st;
}

static enum status prepare(struct database *d, struct error *e)
{
    for (unsigned i = 0; i < d->format->statements; i++) {
        int code = sqlite3_prepare_v3(d->db, d->format->statement[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &d->prepared[i], NULL);

        if (code == SQLITE_ERROR) /* the SQL fits the schema of this version */
            return error_set(e, ST_DATA_LOSS, "%s is damaged: its schema is not ours: %s",
                             QUOTE(d->path), sqlite3_errmsg(d->db));
        if (code != SQLITE_OK)
            return database_error(d, code, e);
    }
    return ST_OK;
}

static enum status open_examined(struct database *d, struct error *e)
{
    int version, code;
    enum status st;

    code = sqlite3_open_v2(d->path, &d->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK)
        return error_set(e, database_status(code), "cannot open %s: %s", QUOTE(d->path),
                         sqlite3_errmsg(d->db));
    if (sqlite3_db_readonly(d->db, "main") != 0)
        return error_set(e, ST_PERMISSION, "%s cannot be written", QUOTE(d->path));
    if ((st = set_up(d, e)) != ST_OK || (st = check_version(d, &version, e)) != ST_OK ||
        (st = check_content(d, e)) != ST_OK || (st = set_journal(d, e)) != ST_OK ||
        (st = database_migrate(d->db, d->format, version, e)) != ST_OK ||
        (st = find_page_size(d, e)) != ST_OK)
        return st;
    return prepare(d, e);
}

/* Readable files in a folder that takes no journal would fail at the first write only. */
static enum status check_folder(const char *folder, struct error *e)
{
    if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) < 0)
        return error_errno(e, errno, "the folder %s cannot be written", QUOTE(folder));
    return ST_OK;
}

enum status database_open(struct database **out, const struct database_format *format,
                          const char *folder, struct error *e)
{
    size_t size = strlen(folder) + 1 + strlen(format->file) + 1;
    struct database *d;
    enum status st;
    bool found;

    d = mem_zero(1, sizeof *d + format->statements * sizeof d->prepared[0]);
    if (d)
        d->path = mem_alloc(size);
    if (!d || !d->path) {
        mem_free(d);
        return error_memory(e, "database");
    }
    d->format = format;
    snprintf(d->path, size, "%s/%s", folder, format->file);
    if ((st = check_folder(folder, e)) != ST_OK)
        goto out;
    if ((st = database_examine(d->path, format, &found, e)) != ST_OK)
        goto out;
    if (!found && (st = database_make(d->path, format, e)) != ST_OK)
        goto out;
    d->created = !found;
    st = open_examined(d, e);
out:
    if (st == ST_OK)
        *out = d;
    else
        database_close(d);
    return st;
}

void database_close(struct database *d)
{
    if (!d)
        return;
    for (unsigned i = 0; i < d->format->statements; i++)
        sqlite3_finalize(d->prepared[i]);
    sqlite3_close(d->db);
    mem_free(d->path);
    mem_free(d);
}
