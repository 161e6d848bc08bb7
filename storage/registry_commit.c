/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions of the log, and when they are on disk.

   A commit of SQLite writes frames to the -wal and, under synchronous=FULL, syncs it. After a
   failed sync, or a failure between the last frame and the end of the commit, nobody knows what the
   next start will find: the change may come back. So a transaction ends in one of three ways: it is
   there; it was rolled back before its last frame, by a full disk; or the log is in trouble for
   ever, and what is true shows at the next start.

   A checkpoint syncs the -wal, copies its pages to log.db and syncs that; only then are the pages
   of the -wal written over. A full disk stops it without harm, since nothing was given up. After
   any other failure nothing may touch the -wal any more, as it may hold the only copy: that is
   trouble, too. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/text.h"
#include "storage/registry_parts.h"

#define WAL_MOST ((uint64_t)64 << 20) /* bytes; to move them takes about a tenth of a second */

enum status log_failed(struct registry *r, struct error *e)
{
    int number = errno;
    char text[128];

    r->db->full = number == ENOSPC;
    if (r->db->full)
        return error_set(e, ST_EXHAUSTED, "log.db cannot grow: the disk is full");
    r->db->failed = true;
    return error_set(e, ST_UNAVAILABLE, "log.db cannot be read or written: %s",
                     strerror_r(number, text, sizeof text));
}

static int count_pages(void *registry, sqlite3 *db, const char *name, int pages)
{
    (void)db, (void)name;
    ((struct registry *)registry)->wal_pages = (uint64_t)pages;
    return SQLITE_OK;
}

void log_count_pages(struct registry *r)
{
    sqlite3_wal_hook(r->db->db, count_pages, r);
}

static enum status set_sync(struct registry *r, bool sync, struct error *e)
{
    enum status st;

    if (r->relaxed == !sync)
        return ST_OK;
    st = database_execute(r->db, sync ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL",
                          e);
    if (st == ST_OK)
        r->relaxed = !sync;
    return st;
}

enum status log_begin(struct registry *r, bool sync, struct error *e)
{
    enum status st;

    if ((st = set_sync(r, sync, e)) != ST_OK)
        return trouble_after(r, st, e);
    r->unmoved = true;
    st = FAILPOINT("log.begin.before") ? log_failed(r, e) : database_begin(r->db, e);
    if (st == ST_OK && FAILPOINT("log.begin.after")) {
        st = log_failed(r, e);
        database_rollback(r->db);
    }
    return st == ST_OK ? ST_OK : trouble_after(r, st, e);
}

enum status log_end(struct registry *r, enum status st, bool sync, struct error *e)
{
    bool committing = st == ST_OK;

    if (committing)
        st = FAILPOINT("log.commit.before") ? log_failed(r, e) : database_commit(r->db, e);
    database_rollback(r->db);
    if (st != ST_OK) {
        /* Even for want of memory a commit may fail after its last frame. */
        bool harmless = st == ST_EXHAUSTED && (r->db->full || !committing);

        return harmless ? trouble_after(r, st, e) : trouble_set(r, e);
    }
    watch_written(r);
    if (FAILPOINT("log.commit.after")) {
        log_failed(r, e);
        return trouble_set(r, e);
    }
    if (registry_trouble(r, e) != ST_OK) /* gone while we wrote: nobody may hear of success */
        return trouble_set(r, e);
    r->unsynced = !sync;
    return ST_OK;
}

void log_settle(struct registry *r)
{
    if (!r->unsynced && r->mark.lsn < r->lsn)
        log_mark_set(&r->mark, r->lsn, r->checksum);
}

void log_advance(struct registry *r, uint64_t lsn, uint64_t checksum, uint64_t bytes)
{
    r->lsn = lsn;
    r->checksum = checksum;
    r->bytes += bytes;
    log_settle(r);
}

enum status registry_sync(struct registry *r, struct error *e)
{
    struct error local;
    char text[128];
    enum status st;

    if (!e)
        e = &local;
    if ((st = registry_trouble(r, e)) != ST_OK || !r->unsynced)
        return st;
    if (FAILPOINT("log.sync.before") || fdatasync(r->wal_fd) < 0 || FAILPOINT("log.sync.after")) {
        error_set(e, ST_UNAVAILABLE, "%s cannot be synced: %s", QUOTE(r->wal.path),
                  strerror_r(errno, text, sizeof text));
        return trouble_set(r, e);
    }
    if (registry_trouble(r, e) != ST_OK)
        return trouble_set(r, e);
    r->unsynced = false;
    log_settle(r);
    return ST_OK;
}

enum status registry_checkpoint(struct registry *r, bool idle, struct error *e)
{
    int code = SQLITE_OK, pages = 0, moved = 0;
    struct error local;
    enum status st;

    if (!e)
        e = &local;
    if (!r->unmoved || (!idle && r->wal_pages * r->db->page_bytes < WAL_MOST))
        return ST_OK;
    if ((st = registry_trouble(r, e)) != ST_OK)
        return st;
    if (FAILPOINT("log.checkpoint.before"))
        return trouble_after(r, log_failed(r, e), e);
    code = sqlite3_wal_checkpoint_v2(r->db->db, "main", SQLITE_CHECKPOINT_PASSIVE, &pages, &moved);
    watch_written(r);
    if (code != SQLITE_OK)
        return trouble_after(r, database_error(r->db, code, e), e);
    if (FAILPOINT("log.checkpoint.after"))
        return trouble_after(r, log_failed(r, e), e);
    if (moved < pages) /* somebody reads the log; its pages stay where they are */
        return ST_OK;
    r->unmoved = r->unsynced = false;
    r->wal_pages = 0;
    log_settle(r);
    return ST_OK;
}
