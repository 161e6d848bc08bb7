/* SPDX-License-Identifier: Apache-2.0 */
/* What log.db holds: its schema, its statements, and the checksums of its rows. */
#include <endian.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "storage/registry_parts.h"

static const char log_1[] =
#include "storage/sql/log_1.inc"
    ;
static const char log_2[] =
#include "storage/sql/log_2.inc"
    ;

static const char log_3[] =
#include "storage/sql/log_3.inc"
    ;

static const char *const migrations[] = {log_1, log_2, log_3};

#define IDENTITY "device, inode, size, mtime_ns, ctime_ns, checksum"
#define ROW "lsn, kind, time_us, checksum, trainer, sequence, body"

static const char *const statements[LOG_STATEMENTS] = {
    [LOG_ROWS] = "SELECT " ROW " FROM log ORDER BY lsn",
    [LOG_REPLAY] = "SELECT " ROW " FROM log WHERE lsn > ? ORDER BY lsn",
    [LOG_ADD] = "INSERT INTO log (" ROW ") VALUES (?, ?, ?, ?, ?, ?, ?)",
    /* Of a text, length() would count the characters; of a BLOB in its column it need not read it.
     */
    [LOG_OLDEST] =
        "SELECT lsn, checksum, "
        "iif(kind IN (6, 8, 9, 10), length(body), length(CAST(body AS BLOB))), kind, trainer, "
        "sequence, "
        "CASE kind WHEN 1 THEN body ->> '$.name' END, "
        "CASE kind WHEN 1 THEN body ->> '$.generation' END FROM log "
        "WHERE lsn > ? AND lsn <= ? ORDER BY lsn LIMIT ?",
    [LOG_DROP] = "DELETE FROM log WHERE lsn <= ?",
    [FRONT_GET] = "SELECT lsn, checksum, names, seal FROM front",
    [FRONT_PUT] = "UPDATE front SET lsn = ?, checksum = ?, names = ?, seal = ?",
    [TABLE_ROWS] = "SELECT name, state, lsn, time_us, generation, version, registered_by, file, "
                   "options, " IDENTITY ", trainable, header_hash, seal FROM tables ORDER BY name",
    [TABLE_PUT] = "REPLACE INTO tables (name, state, lsn, time_us, generation, version, "
                  "registered_by, file, options, " IDENTITY ", trainable, header_hash, seal) "
                  "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [TABLE_SEAL] = "UPDATE tables SET seal = ? WHERE name = ?",
    [TABLE_BODY] =
        "SELECT json_object('checksum', printf('%016x', checksum), 'ctime_ns', ctime_ns, "
        "'device', device, 'file', file, 'generation', generation, 'header_hash', "
        "printf('%016x', header_hash), 'inode', inode, 'mtime_ns', mtime_ns, 'name', name, "
        "'options', json(options), 'registered_by', iif(registered_by, 'call', 'configuration'), "
        "'size', size, 'trainable', json(iif(trainable, 'true', 'false')), 'version', version) "
        "FROM tables WHERE name = ?",
    /* Field by field, since another release of SQLite may write the same JSON in another way.
       Version 1 wrote none of the two that may be absent. */
    [TABLE_NOT_AS_LOGGED] =
        "SELECT t.name FROM tables AS t LEFT JOIN log AS l ON l.lsn = t.lsn "
        "WHERE t.lsn > ? AND NOT iif(ifnull(l.kind, 0) NOT BETWEEN 1 AND 5, 0, "
        "t.state = CASE l.kind WHEN 3 THEN 2 WHEN 4 THEN 3 ELSE 1 END AND t.time_us = l.time_us "
        "AND l.body ->> '$.name' IS t.name AND l.body ->> '$.generation' IS t.generation "
        "AND l.body ->> '$.version' IS t.version AND l.body ->> '$.file' IS t.file "
        "AND l.body -> '$.options' IS json(t.options) "
        "AND l.body ->> '$.registered_by' IS iif(t.registered_by, 'call', 'configuration') "
        "AND l.body ->> '$.device' IS t.device AND l.body ->> '$.inode' IS t.inode "
        "AND l.body ->> '$.size' IS t.size AND l.body ->> '$.mtime_ns' IS t.mtime_ns "
        "AND l.body ->> '$.ctime_ns' IS t.ctime_ns "
        "AND l.body ->> '$.checksum' IS printf('%016x', t.checksum) "
        "AND ifnull(l.body ->> '$.trainable', 0) IS t.trainable "
        "AND ifnull(l.body ->> '$.header_hash', printf('%016x', 0)) IS "
        "printf('%016x', t.header_hash))",
    [CHANGE_FIELDS] =
        "SELECT ?1 ->> '$.name', ?1 ->> '$.generation', ?1 ->> '$.version', "
        "?1 ->> '$.registered_by', ?1 ->> '$.file', ?1 -> '$.options', ?1 ->> '$.device', "
        "?1 ->> '$.inode', ?1 ->> '$.size', ?1 ->> '$.mtime_ns', ?1 ->> '$.ctime_ns', "
        "?1 ->> '$.checksum', ?1 ->> '$.trainable', ?1 ->> '$.header_hash'",
    [OPTIONS_VALID] = "SELECT iif(json_valid(?1), json_type(?1) = 'object', 0)",
    [TRAINER_ROWS] = "SELECT name, sequence, content_low, content_high, lsn, time_us, seal "
                     "FROM trainers ORDER BY name",
    [TRAINER_PUT] = "REPLACE INTO trainers (name, sequence, content_low, content_high, lsn, "
                    "time_us, seal) VALUES (?, ?, ?, ?, ?, ?, ?)",
    [TRAINER_DROP] = "DELETE FROM trainers WHERE name = ?",
    /* A trainer that was forgotten begins with 1 again: the newest is of its present life. */
    [PUSH_FIND] = "SELECT " ROW " FROM log WHERE kind = 6 AND trainer = ? AND sequence = ? "
                  "ORDER BY lsn DESC LIMIT 1",
    [PUSH_INDEXED] = "SELECT 1 FROM log INDEXED BY log_pushes "
                     "WHERE kind = 6 AND trainer = ? AND sequence = ? AND lsn = ?",
    [PUSHES_INDEXED] = "SELECT count(*) FROM log INDEXED BY log_pushes "
                       "WHERE kind = 6 AND trainer IS NOT NULL",
    [FILE_FIND] = "SELECT size, mtime_ns, ctime_ns, checksum, seal FROM files "
                  "WHERE device = ? AND inode = ?",
    [FILE_PUT] = "REPLACE INTO files (" IDENTITY ", seal) VALUES (?, ?, ?, ?, ?, ?, ?)",
    [FILE_DROP_OLD] = "DELETE FROM files WHERE number <= (SELECT max(number) FROM files) - ?",
};

const struct database_format log_format = {
    .file = "log.db",
    .application_id = 0x656d6264, /* "embd" */
    .mode = 0600,
    .page_bytes = 16384, /* a large push is fewer pages, a small one few bytes more */
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

uint64_t name_hash(const char *name)
{
    return hash_bytes(name, strlen(name));
}

uint64_t front_seal(const struct front *f)
{
    uint64_t numbers[3] = {htole64(f->lsn), htole64(f->checksum), htole64(f->names)};

    return hash_bytes(numbers, sizeof numbers);
}

uint64_t position_seal(const struct position *p)
{
    uint64_t numbers[5] = {htole64(p->sequence), htole64(p->content[0]), htole64(p->content[1]),
                           htole64(p->lsn), htole64((uint64_t)p->time_us)};
    unsigned char bytes[sizeof numbers + TRAINER_MAX];
    size_t n = strlen(p->trainer);

    memcpy(bytes, numbers, sizeof numbers);
    memcpy(bytes + sizeof numbers, p->trainer, n);
    return hash_bytes(bytes, sizeof numbers + n);
}

enum status name_seal(uint64_t *out, const struct name *name, struct error *e)
{
    const struct registered *now = &name->now;
    const char *const texts[] = {now->name, now->file, now->options};
    uint64_t numbers[14] = {name->state,
                            now->lsn,
                            (uint64_t)now->time_us,
                            now->generation,
                            now->version,
                            now->by,
                            now->identity.device,
                            now->identity.inode,
                            now->identity.size,
                            (uint64_t)now->identity.mtime_ns,
                            (uint64_t)now->identity.ctime_ns,
                            now->checksum,
                            now->trainable,
                            now->header_hash};
    size_t size = 0, at = 0;
    enum status st;
    char *text;

    for (int i = 0; i < 3; i++)
        size += strlen(texts[i]) + 1;
    text = mem_alloc(size);
    if (!text)
        return error_memory(e, "checksum");
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(texts[i]) + 1;

        memcpy(text + at, texts[i], n);
        at += n;
    }
    st = row_checksum(out, numbers, 14, text, size, e);
    mem_free(text);
    return st;
}
