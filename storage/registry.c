/* SPDX-License-Identifier: Apache-2.0 */
/* The registry: opening, closing, listing. */
#include "storage/registry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "storage/registry_parts.h"

#define MAX_TRAINERS 10000 /* until the owner says something else */

/* No log.db is a new one, unless something beside it says that there was one. */
static enum status check_absent(const struct registry *r, const struct log_mark *mark,
                                struct error *e)
{
    struct stat stat;

    if (lstat(r->file.path, &stat) == 0 || errno != ENOENT)
        return ST_OK;
    if (mark->lsn > 0)
        return error_set(e, ST_DATA_LOSS,
                         "%s is missing: log.mark says that it had come to change %" PRIu64,
                         QUOTE(r->file.path), mark->lsn);
    if (lstat(r->wal.path, &stat) == 0 && stat.st_size > 0)
        return error_set(e, ST_DATA_LOSS, "%s is missing, its -wal is there", QUOTE(r->file.path));
    return ST_OK;
}

static enum status name_files(struct registry *r, const char *data_dir, struct error *e)
{
    size_t size = strlen(data_dir) + sizeof "/log.db-wal";

    r->file.path = mem_alloc(size);
    r->wal.path = mem_alloc(size);
    if (!r->file.path || !r->wal.path)
        return error_memory(e, "path of log.db");
    snprintf(r->file.path, size, "%s/log.db", data_dir);
    snprintf(r->wal.path, size, "%s/log.db-wal", data_dir);
    return ST_OK;
}

static enum status check_mark(struct registry *r, const struct log_mark *mark, struct error *e)
{
    if (r->lsn < mark->lsn)
        return error_set(e, ST_DATA_LOSS,
                         "%s ends at change %" PRIu64 ", log.mark says that it had come to %" PRIu64
                         ": its -wal is missing or damaged, or it is an older copy",
                         QUOTE(r->file.path), r->lsn, mark->lsn);
    /* After a power cut the mark may be so far behind that its row is deleted. */
    if (mark->lsn > 0 && mark->lsn >= r->front.lsn && r->marked != mark->checksum)
        return error_set(e, ST_DATA_LOSS,
                         "%s or its -wal belongs to another log: change %" PRIu64
                         " is not the one of log.mark",
                         QUOTE(r->file.path), mark->lsn);
    return ST_OK;
}

static enum status open_checked(struct registry *r, const char *data_dir, struct error *e)
{
    struct log_mark mark;
    enum status st;

    if ((st = name_files(r, data_dir, e)) != ST_OK ||
        (st = log_mark_read(&mark, data_dir, e)) != ST_OK ||
        (st = check_absent(r, &mark, e)) != ST_OK ||
        (st = database_open(&r->db, &log_format, data_dir, e)) != ST_OK ||
        (st = registry_load(r, mark.lsn, e)) != ST_OK || (st = check_mark(r, &mark, e)) != ST_OK)
        return st;
    database_accept(r->db, true);
    log_count_pages(r);
    if ((st = watch_start(r, e)) != ST_OK || (st = file_sync_folder(r->file.path, e)) != ST_OK ||
        (st = seal_names(r, e)) != ST_OK)
        return st;
    /* After a crash the -wal may hold changes that are not on disk yet. They are seen from now on,
       so they have to stay; a checkpoint syncs them before it does anything else. */
    r->unmoved = true;
    st = registry_checkpoint(r, true, e);
    if (st != ST_OK && st != ST_EXHAUSTED)
        return st;
    r->mark.lsn = r->lsn;
    r->mark.checksum = r->checksum;
    return log_mark_open(&r->mark, data_dir, e);
}

enum status registry_open(struct registry **out, const char *data_dir, struct error *e)
{
    struct registry *r = mem_zero(1, sizeof *r);
    struct error local;
    enum status st;

    if (!r)
        return error_memory(e, "registry");
    r->mark.fd = r->wal_fd = -1;
    r->max_trainers = MAX_TRAINERS;
    st = open_checked(r, data_dir, e ? e : &local);
    if (st == ST_OK)
        *out = r;
    else
        registry_close(r);
    return st;
}

void registry_close(struct registry *r)
{
    if (!r)
        return;
    database_close(r->db);
    log_mark_close(&r->mark);
    if (r->wal_fd >= 0)
        close(r->wal_fd);
    trainers_done(&r->trainers);
    for (size_t i = 0; i < r->count; i++)
        name_free(r->names[i]);
    mem_free(r->names);
    mem_free(r->list);
    mem_free(r->file.path);
    mem_free(r->wal.path);
    mem_free(r);
}

uint64_t registry_lsn(const struct registry *r)
{
    return r->lsn;
}

uint64_t registry_first(const struct registry *r)
{
    return r->front.lsn;
}

uint64_t registry_bytes(const struct registry *r)
{
    return r->bytes;
}

uint64_t registry_disk_bytes(const struct registry *r)
{
    return (uint64_t)r->file.size + (uint64_t)r->wal.size;
}

size_t registry_list(const struct registry *r, const struct registered *const **list)
{
    *list = r->list;
    return r->listed;
}

const struct registered *registry_find(const struct registry *r, const char *name)
{
    bool found;
    size_t place = names_find(r, name, &found);

    return found && r->names[place]->state != TABLE_FORGOTTEN ? &r->names[place]->now : NULL;
}

uint64_t registry_lives(const struct registry *r, const char *name)
{
    bool found;
    size_t place = names_find(r, name, &found);

    return found ? r->names[place]->now.generation : 0;
}
