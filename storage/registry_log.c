/* SPDX-License-Identifier: Apache-2.0 */
/* What log.db holds: its schema, its statements, and the checks of its rows when it is opened. */
#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "storage/registry_parts.h"

static const char log_1[] =
#include "storage/sql/log_1.inc"
    ;

static const char *const migrations[] = {log_1};

#define IDENTITY "device, inode, size, mtime_ns, ctime_ns, checksum"

static const char *const statements[LOG_STATEMENTS] = {
    [LOG_ROWS] = "SELECT lsn, kind, time_us, checksum, body, typeof(body) = 'text' FROM log "
                 "ORDER BY lsn",
    [LOG_ADD] = "INSERT INTO log (lsn, kind, time_us, checksum, body) VALUES (?, ?, ?, ?, ?)",
    [TABLE_ROWS] = "SELECT name, state, lsn, time_us, generation, version, registered_by, file, "
                   "options, " IDENTITY " FROM tables ORDER BY name",
    [TABLE_PUT] = "REPLACE INTO tables (name, state, lsn, time_us, generation, version, "
                  "registered_by, file, options, " IDENTITY ") "
                  "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [TABLE_BODY] =
        "SELECT json_object('checksum', printf('%016x', checksum), 'ctime_ns', ctime_ns, "
        "'device', device, 'file', file, 'generation', generation, 'inode', inode, "
        "'mtime_ns', mtime_ns, 'name', name, 'options', json(options), 'registered_by', "
        "iif(registered_by, 'call', 'configuration'), 'size', size, 'version', version) "
        "FROM tables WHERE name = ?",
    /* Field by field, since another release of SQLite may write the same JSON in another way. */
    [TABLE_NOT_AS_LOGGED] =
        "SELECT t.name FROM tables AS t LEFT JOIN log AS l ON l.lsn = t.lsn "
        "WHERE l.lsn IS NULL OR NOT ("
        "t.state = CASE l.kind WHEN 3 THEN 2 WHEN 4 THEN 3 ELSE 1 END AND t.time_us = l.time_us "
        "AND l.body ->> '$.name' IS t.name AND l.body ->> '$.generation' IS t.generation "
        "AND l.body ->> '$.version' IS t.version AND l.body ->> '$.file' IS t.file "
        "AND l.body -> '$.options' IS json(t.options) "
        "AND l.body ->> '$.registered_by' IS iif(t.registered_by, 'call', 'configuration') "
        "AND l.body ->> '$.device' IS t.device AND l.body ->> '$.inode' IS t.inode "
        "AND l.body ->> '$.size' IS t.size AND l.body ->> '$.mtime_ns' IS t.mtime_ns "
        "AND l.body ->> '$.ctime_ns' IS t.ctime_ns "
        "AND l.body ->> '$.checksum' IS printf('%016x', t.checksum))",
    [LOGGED_NOT_A_TABLE] = "SELECT l.body ->> '$.name' FROM log AS l LEFT JOIN tables AS t "
                           "ON t.name = l.body ->> '$.name' WHERE t.lsn IS NULL OR t.lsn < l.lsn",
    [OPTIONS_VALID] = "SELECT iif(json_valid(?1), json_type(?1) = 'object', 0)",
    [FILE_FIND] = "SELECT size, mtime_ns, ctime_ns, checksum, seal FROM files "
                  "WHERE device = ? AND inode = ?",
    [FILE_PUT] = "REPLACE INTO files (" IDENTITY ", seal) VALUES (?, ?, ?, ?, ?, ?, ?)",
    [FILE_DROP_OLD] = "DELETE FROM files WHERE number <= (SELECT max(number) FROM files) - ?",
};

const struct database_format log_format = {
    .file = "log.db",
    .application_id = 0x656d6264, /* "embd" */
    .mode = 0600,
    .journal = "wal",
    .settings = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; "
                "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864",
    .busy_ms = 1000,
    .migration = migrations,
    .migrations = sizeof migrations / sizeof migrations[0],
    .statement = statements,
    .statements = LOG_STATEMENTS,
};

enum status row_checksum(uint64_t *out, const uint64_t *numbers, size_t count, const void *data,
                         size_t n, struct error *e)
{
    struct hasher *h = hasher_new();

    if (!h)
        return error_memory(e, "checksum");
    for (size_t i = 0; i < count; i++) {
        uint64_t bytes = htole64(numbers[i]);

        hasher_add(h, &bytes, sizeof bytes);
    }
    if (n)
        hasher_add(h, data, n);
    *out = hasher_value(h);
    hasher_free(h);
    return ST_OK;
}

static enum status damaged(const struct registry *r, struct error *e, const char *what,
                           uint64_t lsn)
{
    return error_set(e, ST_DATA_LOSS, "%s is damaged: change %" PRIu64 " %s", QUOTE(r->db->path),
                     lsn, what);
}

static enum status check_row(const struct registry *r, sqlite3_stmt *s, uint64_t expected,
                             struct error *e)
{
    uint64_t numbers[3] = {column_u64(s, 0), column_u64(s, 1), column_u64(s, 2)}, checksum = 0;
    bool text = sqlite3_column_int(s, 5);
    const void *body = sqlite3_column_blob(s, 4);
    enum status st;

    if (numbers[0] != expected)
        return damaged(r, e, "is missing", expected);
    st = row_checksum(&checksum, numbers, 3, body, (size_t)sqlite3_column_bytes(s, 4), e);
    if (st != ST_OK)
        return st;
    if (checksum != column_u64(s, 3) || !text)
        return damaged(r, e, "does not fit its checksum", expected);
    if (numbers[1] < CHANGE_LOAD || numbers[1] > CHANGE_OPTIONS)
        return damaged(r, e, "is of a kind that does not exist", expected);
    return ST_OK;
}

static enum status check_rows(struct registry *r, uint64_t marked, struct error *e)
{
    sqlite3_stmt *s = database_statement(r->db, LOG_ROWS);
    enum status st;
    bool row;

    while ((st = database_step(r->db, s, &row, e)) == ST_OK && row) {
        if ((st = check_row(r, s, r->lsn + 1, e)) != ST_OK)
            break;
        r->lsn++;
        r->checksum = column_u64(s, 3);
        if (r->lsn == marked)
            r->marked = r->checksum;
    }
    sqlite3_reset(s);
    return st;
}

/* A query that finds names whose row in `tables` is not what the log says. */
static enum status check_names(struct registry *r, enum log_statement number, struct error *e)
{
    sqlite3_stmt *s = database_statement(r->db, number);
    enum status st;
    bool row;

    st = database_step(r->db, s, &row, e);
    if (st == ST_INTERNAL) /* an expression that fails on its data */
        st = error_set(e, ST_DATA_LOSS, "%s is damaged: its bodies cannot be read",
                       QUOTE(r->db->path));
    else if (st == ST_OK && row)
        st = error_set(e, ST_DATA_LOSS, "%s is damaged: table %s is not as the log says",
                       QUOTE(r->db->path),
                       QUOTE_N(sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0)));
    sqlite3_reset(s);
    return st;
}

static enum status load_name(struct registry *r, sqlite3_stmt *s, struct error *e)
{
    const char *name = (const char *)sqlite3_column_text(s, 0);
    struct name *row;
    enum status st;

    if (!name || !table_name_valid(name, (size_t)sqlite3_column_bytes(s, 0)))
        return error_set(e, ST_DATA_LOSS, "%s is damaged: it has a table without a name",
                         QUOTE(r->db->path));
    if ((st = names_reserve(r, e)) != ST_OK)
        return st;
    row =
        name_new((const char *)sqlite3_column_text(s, 7), (const char *)sqlite3_column_text(s, 8));
    if (!row)
        return error_memory(e, "registry");
    memcpy(row->now.name, name, strlen(name) + 1);
    row->state = (enum table_state)sqlite3_column_int(s, 1);
    row->now.served = row->state == TABLE_SERVED;
    row->now.lsn = column_u64(s, 2);
    row->now.time_us = sqlite3_column_int64(s, 3);
    row->now.generation = column_u64(s, 4);
    row->now.version = column_u64(s, 5);
    row->now.by = sqlite3_column_int(s, 6) ? BY_CALL : BY_CONFIGURATION;
    row->now.identity =
        (struct file_identity){column_u64(s, 9), column_u64(s, 10), column_u64(s, 11),
                               sqlite3_column_int64(s, 12), sqlite3_column_int64(s, 13)};
    row->now.checksum = column_u64(s, 14);
    names_put(r, row);
    return ST_OK;
}

enum status registry_load(struct registry *r, uint64_t marked, struct error *e)
{
    sqlite3_stmt *s;
    enum status st;
    bool row;

    if ((st = check_rows(r, marked, e)) != ST_OK ||
        (st = check_names(r, TABLE_NOT_AS_LOGGED, e)) != ST_OK ||
        (st = check_names(r, LOGGED_NOT_A_TABLE, e)) != ST_OK)
        return st;
    s = database_statement(r->db, TABLE_ROWS);
    while ((st = database_step(r->db, s, &row, e)) == ST_OK && row)
        if ((st = load_name(r, s, e)) != ST_OK)
            break;
    sqlite3_reset(s);
    return st;
}
