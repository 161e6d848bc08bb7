/* SPDX-License-Identifier: Apache-2.0 */
/* Table files that were checked in full before, so that a start need not read them again. A row
   that does not fit its seal is as good as none: the file is then read again. */
#include "storage/registry_parts.h"

#define FILES_KEPT 100000 /* ten for each table of the most that are served */

static enum status seal_of(uint64_t *seal, const struct file_identity *id, uint64_t checksum,
                           struct error *e)
{
    uint64_t numbers[6] = {
        id->device, id->inode, id->size, (uint64_t)id->mtime_ns, (uint64_t)id->ctime_ns, checksum};

    return row_checksum(seal, numbers, 6, NULL, 0, e);
}

bool registry_file_known(struct registry *r, const struct file_identity *id, uint64_t *checksum)
{
    sqlite3_stmt *s = database_statement(r->db, FILE_FIND);
    uint64_t found, seal = 0;
    bool row, known = false;

    bind_u64(s, 1, id->device);
    bind_u64(s, 2, id->inode);
    if (database_step(r->db, s, &row, NULL) == ST_OK && row) {
        found = column_u64(s, 3);
        known = column_u64(s, 0) == id->size && sqlite3_column_int64(s, 1) == id->mtime_ns &&
                sqlite3_column_int64(s, 2) == id->ctime_ns &&
                seal_of(&seal, id, found, NULL) == ST_OK && seal == column_u64(s, 4);
        if (known)
            *checksum = found;
    }
    sqlite3_reset(s);
    return known;
}

static enum status put(struct registry *r, const struct file_identity *id, uint64_t checksum,
                       uint64_t seal, struct error *e)
{
    sqlite3_stmt *s = database_statement(r->db, FILE_PUT);
    enum status st;

    bind_u64(s, 1, id->device);
    bind_u64(s, 2, id->inode);
    bind_u64(s, 3, id->size);
    sqlite3_bind_int64(s, 4, id->mtime_ns);
    sqlite3_bind_int64(s, 5, id->ctime_ns);
    bind_u64(s, 6, checksum);
    bind_u64(s, 7, seal);
    if ((st = database_run(r->db, s, e)) != ST_OK)
        return st;
    s = database_statement(r->db, FILE_DROP_OLD);
    sqlite3_bind_int64(s, 1, FILES_KEPT);
    return database_run(r->db, s, e);
}

enum status registry_file_remember(struct registry *r, const struct file_identity *id,
                                   uint64_t checksum, struct error *e)
{
    struct error local;
    enum status st;
    uint64_t seal = 0;

    if (!e)
        e = &local;
    if ((st = seal_of(&seal, id, checksum, e)) != ST_OK || (st = registry_trouble(r, e)) != ST_OK)
        return st;
    if ((st = log_begin(r, true, e)) == ST_OK)
        st = log_end(r, put(r, id, checksum, seal, e), true, e);
    log_settle(r);
    return st;
}
