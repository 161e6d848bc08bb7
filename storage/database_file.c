/* SPDX-License-Identifier: Apache-2.0 */
/* The file below a database, before SQLite has it open. SQLite's locks belong to the process and go
   with the first descriptor of the file that anyone closes, so nothing here may run while the
   process has the database open. */
#include "storage/database_file.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

/* SQLite's header: 100 bytes, numbers big-endian. */
#define HEADER_SIZE 100
#define HEADER_MAGIC "SQLite format 3" /* and its NUL */
#define HEADER_APPLICATION_ID 68

static enum status examine_header(const char *path, const unsigned char *header,
                                  const struct database_format *format, struct error *e)
{
    uint32_t id;

    if (memcmp(header, HEADER_MAGIC, sizeof HEADER_MAGIC))
        return error_set(e, ST_DATA_LOSS, "%s is damaged: it is no SQLite database", QUOTE(path));
    memcpy(&id, header + HEADER_APPLICATION_ID, sizeof id);
    id = be32toh(id);
    if (id != format->application_id)
        return error_set(e, ST_PRECONDITION,
                         "%s is another program's database: its application_id is 0x%08x, not "
                         "0x%08x",
                         QUOTE(path), id, format->application_id);
    return ST_OK;
}

enum status database_examine(const char *path, const struct database_format *format, bool *found,
                             struct error *e)
{
    unsigned char header[HEADER_SIZE];
    struct stat stat;
    enum status st;
    int fd;

    *found = false;
    if (lstat(path, &stat) < 0 && errno == ENOENT)
        return ST_OK;
    *found = true;
    if (S_ISLNK(stat.st_mode)) /* its -wal or -journal would be at the other end */
        return error_set(e, ST_INVALID, "%s is a link; a database has to stand in the folder",
                         QUOTE(path));
    st = file_open(&fd, path, &stat, e);
    if (st != ST_OK)
        return st;
    if (stat.st_size == 0)
        st = error_set(e, ST_DATA_LOSS, "%s is damaged: it is empty", QUOTE(path));
    else if (stat.st_size < HEADER_SIZE)
        st = error_set(e, ST_DATA_LOSS, "%s is damaged: it is no SQLite database", QUOTE(path));
    else if ((st = file_pread(fd, header, sizeof header, 0, e)) != ST_OK)
        st = error_prefix(e, st, "%s", QUOTE(path));
    else
        st = examine_header(path, header, format, e);
    close(fd);
    return st;
}

enum status database_migrate(sqlite3 *db, const struct database_format *format, int from,
                             struct error *e)
{
    char version[64];
    int code = SQLITE_OK;
    enum status st;

    for (int v = from; v < format->migrations && code == SQLITE_OK; v++) {
        snprintf(version, sizeof version, "PRAGMA user_version = %d", v + 1);
        code = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        if (code == SQLITE_OK)
            code = sqlite3_exec(db, format->migration[v], NULL, NULL, NULL);
        if (code == SQLITE_OK)
            code = sqlite3_exec(db, version, NULL, NULL, NULL);
        if (code == SQLITE_OK)
            code = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    }
    if (code == SQLITE_OK)
        return ST_OK;
    st = database_status(code);
    if (st ==
        ST_INTERNAL) /* the SQL is ours and right, so the schema is not what its version says */
        st = ST_DATA_LOSS;
    error_set(e, st, "%s cannot be brought to version %d: %s", format->file, format->migrations,
              sqlite3_errmsg(db));
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return st;
}

/* Fill the empty file at `path`. Its last close leaves no -wal. */
static enum status fill(const char *path, const struct database_format *format, struct error *e)
{
    char identity[128];
    sqlite3 *db = NULL;
    enum status st;
    int code;

    /* No journal: a file that is not finished is thrown away. */
    snprintf(identity, sizeof identity,
             "PRAGMA page_size = %u; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; "
             "PRAGMA application_id = %d",
             format->page_bytes, (int)format->application_id);
    code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db, identity, NULL, NULL, NULL);
    if (code != SQLITE_OK)
        st = error_set(e, database_status(code), "cannot create %s: %s", QUOTE(path),
                       sqlite3_errmsg(db));
    else
        st = database_migrate(db, format, 0, e);
    code = sqlite3_close(db);
    if (st == ST_OK && code != SQLITE_OK)
        st = error_set(e, ST_INTERNAL, "cannot close %s", QUOTE(path));
    return st;
}

static enum status sync_file(const char *path, struct error *e)
{
    enum status st;
    int fd;

    st = file_open(&fd, path, NULL, e);
    if (st != ST_OK)
        return st;
    if (fsync(fd) < 0)
        st = error_errno(e, errno, "cannot sync %s", QUOTE(path));
    close(fd);
    return st;
}

/* An empty file for the owner alone to write; what a crash left there is replaced. */
static enum status make_empty(const char *path, mode_t mode, struct error *e)
{
    enum status st = ST_OK;
    int fd;

    if (unlink(path) < 0 && errno != ENOENT)
        return error_errno(e, errno, "cannot remove the old %s", QUOTE(path));
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_errno(e, errno, "cannot create %s", QUOTE(path));
    if (fchmod(fd, mode) < 0) /* apart, since the umask takes from what open() is given */
        st = error_errno(e, errno, "cannot set the permissions of %s", QUOTE(path));
    close(fd);
    return st;
}

/* The folder of `path`, open and locked against another process that makes databases in it. */
static enum status lock_folder(int *out, const char *path, struct error *e)
{
    char *folder = mem_text(path, (size_t)(strrchr(path, '/') - path));
    enum status st = ST_OK;
    int fd;

    if (!folder)
        return error_memory(e, "path of a database");
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        st = error_errno(e, errno, "cannot open the folder %s", QUOTE(folder));
    else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        st = error_errno(e, errno, "another process is using %s", QUOTE(folder));
    if (st == ST_OK)
        *out = fd;
    else if (fd >= 0)
        close(fd);
    mem_free(folder);
    return st;
}

enum status database_make(const char *path, const struct database_format *format, struct error *e)
{
    static const char suffix[] = ".new";
    size_t n = strlen(path);
    char *temporary = mem_alloc(n + sizeof suffix);
    bool found, made = false;
    enum status st;
    int lock = -1;

    if (!temporary)
        return error_memory(e, "path of a database");
    memcpy(temporary, path, n);
    memcpy(temporary + n, suffix, sizeof suffix);
    if ((st = lock_folder(&lock, path, e)) != ST_OK)
        goto out;
    /* Another process may have made it before we had the lock. */
    if ((st = database_examine(path, format, &found, e)) != ST_OK || found)
        goto out;
    if ((st = make_empty(temporary, format->mode, e)) != ST_OK)
        goto out;
    made = true;
    if ((st = fill(temporary, format, e)) != ST_OK || (st = sync_file(temporary, e)) != ST_OK)
        goto out;
    if (rename(temporary, path) < 0) {
        st = error_errno(e, errno, "cannot put %s in place", QUOTE(path));
        goto out;
    }
    made = false;
    st = file_sync_folder(path, e);
out:
    if (made)
        unlink(temporary);
    if (lock >= 0)
        close(lock);
    mem_free(temporary);
    return st;
}
