/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the log still keeps what is written to it. A file that was removed or replaced takes
   writes as before, and nobody will ever read them; only the folder shows it. */
#include <errno.h>

#include "base/text.h"
#include "storage/registry_parts.h"

static enum status watch_file(struct watched *w, struct error *e)
{
    struct stat now;

    if (stat(w->path, &now) < 0)
        return error_errno(e, errno, "cannot look at %s", QUOTE(w->path));
    w->device = now.st_dev;
    w->inode = now.st_ino;
    w->size = now.st_size;
    return ST_OK;
}

/* SQLite's locks are on log.db alone, so the -wal may have a descriptor of ours. A failed
   write-back is told to each descriptor that was open at the time, so it is opened before anything
   is written.
 */
static enum status open_wal(struct registry *r, struct error *e)
{
    struct stat now;
    enum status st;

    if ((st = file_open(&r->wal_fd, r->wal.path, &now, e)) != ST_OK)
        return st;
    if (now.st_dev != r->wal.device || now.st_ino != r->wal.inode)
        return error_set(e, ST_UNAVAILABLE, "%s was replaced while it was opened",
                         QUOTE(r->wal.path));
    return ST_OK;
}

enum status watch_start(struct registry *r, struct error *e)
{
    int moved = 0;
    enum status st;

    if ((st = watch_file(&r->file, e)) != ST_OK || (st = watch_file(&r->wal, e)) != ST_OK ||
        (st = open_wal(r, e)) != ST_OK)
        return st;
    /* What was looked at has to be what SQLite opened a moment ago. */
    sqlite3_file_control(r->db->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
    if (moved)
        return error_set(e, ST_UNAVAILABLE, "%s was replaced while it was opened",
                         QUOTE(r->file.path));
    return ST_OK;
}

static void written(struct watched *w)
{
    struct stat now;

    if (stat(w->path, &now) == 0 && now.st_dev == w->device && now.st_ino == w->inode)
        w->size = now.st_size;
}

void watch_written(struct registry *r)
{
    written(&r->file);
    written(&r->wal);
}

/* *gone: the file is not what it was, for good. Otherwise a failure says only that we cannot tell.
 */
static enum status look(const struct watched *w, bool *gone, struct error *e)
{
    struct stat now;

    *gone = true;
    if (stat(w->path, &now) < 0) {
        *gone = errno == ENOENT || errno == ENOTDIR;
        return error_set(e, ST_UNAVAILABLE, "%s %s", QUOTE(w->path),
                         *gone ? "was removed while it was open" : "cannot be looked at");
    }
    if (now.st_dev != w->device || now.st_ino != w->inode)
        return error_set(e, ST_UNAVAILABLE, "%s was replaced while it was open", QUOTE(w->path));
    if (now.st_size < w->size)
        return error_set(e, ST_UNAVAILABLE, "%s was cut while it was open", QUOTE(w->path));
    *gone = false;
    return ST_OK;
}

enum status trouble_set(struct registry *r, struct error *e)
{
    if (!r->in_trouble) {
        r->in_trouble = true;
        error_set(&r->trouble, ST_UNAVAILABLE, "%s; changes are refused until a restart", e->text);
        database_accept(r->db, false); /* leave the files to the next start as they are */
    }
    return error_set(e, ST_UNAVAILABLE, "%s", r->trouble.text);
}

enum status trouble_after(struct registry *r, enum status st, struct error *e)
{
    return r->db->failed ? trouble_set(r, e) : st;
}

enum status registry_trouble(struct registry *r, struct error *e)
{
    struct error local;
    enum status st;
    bool gone;

    if (!e)
        e = &local;
    if (r->in_trouble)
        return error_set(e, ST_UNAVAILABLE, "%s", r->trouble.text);
    if ((st = look(&r->file, &gone, e)) == ST_OK)
        st = look(&r->wal, &gone, e);
    return st != ST_OK && gone ? trouble_set(r, e) : st;
}
