/* SPDX-License-Identifier: Apache-2.0 */
/* stats.db: its schema, its statements, and the writing of the current minute. */
#include "storage/statistics.h"

#include <string.h>

#include "base/memory.h"
#include "storage/statistics_parts.h"

static const char stats_1[] =
#include "storage/sql/stats_1.inc"
    ;

static const char *const migrations[] = {stats_1};

/* What happens when the row that is to be added is there. */
#define ADD_USAGE                                                                                  \
    "ON CONFLICT (seconds, start, table_id, call_id) DO UPDATE SET "                               \
    "count = count + excluded.count, ids = ids + excluded.ids, "                                   \
    "missing = missing + excluded.missing, sum_us = sum_us + excluded.sum_us, "                    \
    "max_us = max(max_us, excluded.max_us) RETURNING id"
#define ADD_COUNT "DO UPDATE SET count = count + excluded.count"
#define SET_MEMORY                                                                                 \
    "ON CONFLICT (seconds, start, table_id) DO UPDATE SET "                                        \
    "private_bytes = excluded.private_bytes, mapped_bytes = excluded.mapped_bytes, "               \
    "allocated_bytes = excluded.allocated_bytes"
#define RAISE_MEMORY                                                                               \
    "ON CONFLICT (seconds, start, table_id) DO UPDATE SET "                                        \
    "private_bytes = max(private_bytes, excluded.private_bytes), "                                 \
    "mapped_bytes = max(mapped_bytes, excluded.mapped_bytes), "                                    \
    "allocated_bytes = max(allocated_bytes, excluded.allocated_bytes)"
#define OLD_MEMORY "FROM memory WHERE seconds = 60 AND start < ?1 ORDER BY start, table_id LIMIT ?2"

static const char *const statements[STATS_STATEMENTS] = {
    [TABLE_ID] = "SELECT id FROM tables WHERE name = ?",
    [TABLE_NEW] = "INSERT INTO tables (name) VALUES (?) RETURNING id",
    [CALL_ID] = "SELECT id FROM calls WHERE name = ?",
    [CALL_NEW] = "INSERT INTO calls (name) VALUES (?) RETURNING id",
    [USAGE_ADD] = "INSERT INTO usage "
                  "(seconds, start, table_id, call_id, count, ids, missing, sum_us, max_us) "
                  "VALUES (60, ?, ?, ?, ?, ?, ?, ?, ?) " ADD_USAGE,
    [BUCKET_ADD] = "INSERT INTO usage_bucket (usage_id, lower_us, upper_us, count) "
                   "VALUES (?, ?, ?, ?) ON CONFLICT (usage_id, lower_us) " ADD_COUNT,
    [ERROR_ADD] = "INSERT INTO usage_error (usage_id, status, count) VALUES (?, ?, ?) "
                  "ON CONFLICT (usage_id, status) " ADD_COUNT,
    [MEMORY_SET] = "INSERT INTO memory "
                   "(seconds, start, table_id, private_bytes, mapped_bytes, allocated_bytes) "
                   "VALUES (60, ?, ?, ?, ?, ?) " SET_MEMORY,
    [USAGE_OLDEST] = "SELECT id FROM usage WHERE seconds = 60 AND start < ? ORDER BY start LIMIT 1",
    [USAGE_TO_HOUR] = "INSERT INTO usage "
                      "(seconds, start, table_id, call_id, count, ids, missing, sum_us, max_us) "
                      "SELECT 3600, start - start % 3600, table_id, call_id, count, ids, missing, "
                      "sum_us, max_us FROM usage WHERE id = ? " ADD_USAGE,
    [BUCKETS_TO_HOUR] = "INSERT INTO usage_bucket (usage_id, lower_us, upper_us, count) "
                        "SELECT ?2, lower_us, upper_us, count FROM usage_bucket "
                        "WHERE usage_id = ?1 ON CONFLICT (usage_id, lower_us) " ADD_COUNT,
    [ERRORS_TO_HOUR] = "INSERT INTO usage_error (usage_id, status, count) "
                       "SELECT ?2, status, count FROM usage_error "
                       "WHERE usage_id = ?1 ON CONFLICT (usage_id, status) " ADD_COUNT,
    [USAGE_DROP] = "DELETE FROM usage WHERE id = ?", /* buckets and errors go with it */
    [USAGE_EXPIRED] = "SELECT id FROM usage WHERE seconds = 3600 AND start < ? "
                      "ORDER BY start LIMIT 1",
    [MEMORY_TO_HOUR] = "INSERT INTO memory "
                       "(seconds, start, table_id, private_bytes, mapped_bytes, allocated_bytes) "
                       "SELECT 3600, start - start % 3600, table_id, private_bytes, mapped_bytes, "
                       "allocated_bytes " OLD_MEMORY " " RAISE_MEMORY,
    [MEMORY_DROP_FOLDED] = "DELETE FROM memory WHERE seconds = 60 AND (start, table_id) IN "
                           "(SELECT start, table_id " OLD_MEMORY ")",
    [MEMORY_DROP_EXPIRED] = "DELETE FROM memory WHERE seconds = 3600 AND (start, table_id) IN "
                            "(SELECT start, table_id FROM memory WHERE seconds = 3600 AND "
                            "start < ?1 ORDER BY start, table_id LIMIT ?2)",
    /* ?3: the unit of time that a row of the answer is about, 0 for all; ?4: rows up to which
       length are read. */
    [USAGE_ROWS] = "SELECT iif(?3, u.start - u.start % ?3, 0) AS unit, t.name, c.name, u.id, "
                   "u.start, u.seconds, u.count, u.ids, u.missing, u.sum_us, u.max_us "
                   "FROM usage AS u JOIN tables AS t ON t.id = u.table_id "
                   "JOIN calls AS c ON c.id = u.call_id "
                   "WHERE u.seconds IN (60, ?4) AND u.start >= ?1 AND u.start < ?2 "
                   "AND (?5 IS NULL OR t.name = ?5) AND (?6 IS NULL OR c.name = ?6) "
                   "ORDER BY unit, t.name, c.name, u.start",
    [USAGE_BUCKETS] = "SELECT lower_us, count FROM usage_bucket WHERE usage_id = ?",
    [USAGE_ERRORS] = "SELECT status, count FROM usage_error WHERE usage_id = ?",
    [MEMORY_ROWS] = "SELECT t.name, max(m.start), m.private_bytes, m.mapped_bytes, "
                    "m.allocated_bytes FROM memory AS m JOIN tables AS t ON t.id = m.table_id "
                    "WHERE m.seconds IN (60, 3600) AND m.start >= ?1 AND m.start < ?2 "
                    "GROUP BY t.name ORDER BY t.name",
};

static const struct database_format stats_format = {
    .file = "stats.db",
    .application_id = 0x656d6273, /* "embs" */
    .mode = 0640,
    .journal = "truncate",
    .settings = "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON",
    /* A person's query may hold the lock; the caller keeps its counts and comes again. */
    .busy_ms = 50,
    .migration = migrations,
    .migrations = sizeof migrations / sizeof migrations[0],
    .statement = statements,
    .statements = STATS_STATEMENTS,
};

enum status statistics_open(struct statistics **out, const char *data_dir,
                            const struct statistics_options *options, struct error *e)
{
    struct statistics *s = mem_zero(1, sizeof *s);
    enum status st;

    if (!s)
        return error_memory(e, "statistics");
    s->options = *options;
    st = database_open(&s->db, &stats_format, data_dir, e);
    if (st != ST_OK) {
        mem_free(s);
        return st;
    }
    database_accept(s->db, true);
    *out = s;
    return ST_OK;
}

void statistics_close(struct statistics *s)
{
    if (!s)
        return;
    database_close(s->db);
    mem_free(s);
}

enum status statistics_begin(struct statistics *s, struct error *e)
{
    return database_begin(s->db, e);
}

enum status statistics_commit(struct statistics *s, struct error *e)
{
    return database_commit(s->db, e);
}

enum status one_number(struct statistics *s, sqlite3_stmt *statement, int64_t *number, bool *found,
                       struct error *e)
{
    enum status st = database_step(s->db, statement, found, e);

    if (st == ST_OK && *found)
        *number = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement); /* RETURNING comes after all the work is done */
    return st;
}

/* The id of a name, given now if it has none. */
static enum status name_id(struct statistics *s, enum stats_statement find,
                           enum stats_statement make, const char *name, int64_t *id,
                           struct error *e)
{
    sqlite3_stmt *statement = database_statement(s->db, find);
    enum status st;
    bool found;

    bind_text(statement, 1, name);
    if ((st = one_number(s, statement, id, &found, e)) != ST_OK || found)
        return st;
    statement = database_statement(s->db, make);
    bind_text(statement, 1, name);
    return one_number(s, statement, id, &found, e);
}

/* Counters are unsigned, SQLite's numbers are not. */
static void bind_count(sqlite3_stmt *statement, int place, uint64_t count)
{
    sqlite3_bind_int64(statement, place, count < INT64_MAX ? (int64_t)count : INT64_MAX);
}

static int64_t minute_of(int64_t time_s)
{
    return time_s - (time_s % MINUTE + MINUTE) % MINUTE;
}

static enum status add_usage(struct statistics *s, int64_t time_s, int64_t table, int64_t call,
                             const struct call_counts *counts, int64_t *id, struct error *e)
{
    sqlite3_stmt *statement = database_statement(s->db, USAGE_ADD);
    bool found;

    sqlite3_bind_int64(statement, 1, minute_of(time_s));
    sqlite3_bind_int64(statement, 2, table);
    sqlite3_bind_int64(statement, 3, call);
    bind_count(statement, 4, counts->count);
    bind_count(statement, 5, counts->ids);
    bind_count(statement, 6, counts->missing);
    bind_count(statement, 7, counts->latency.sum_us);
    bind_count(statement, 8, counts->latency.max_us);
    return one_number(s, statement, id, &found, e);
}

static enum status add_buckets(struct statistics *s, int64_t id, const struct histogram *latency,
                               struct error *e)
{
    enum status st = ST_OK;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS && st == ST_OK; i++) {
        sqlite3_stmt *statement;

        if (!latency->bucket[i])
            continue;
        statement = database_statement(s->db, BUCKET_ADD);
        sqlite3_bind_int64(statement, 1, id);
        bind_count(statement, 2, histogram_lower(i));
        bind_count(statement, 3, histogram_upper(i));
        bind_count(statement, 4, latency->bucket[i]);
        st = database_run(s->db, statement, e);
    }
    return st;
}

static enum status add_errors(struct statistics *s, int64_t id, const uint64_t errors[ST_COUNT],
                              struct error *e)
{
    enum status st = ST_OK;

    for (int i = ST_OK + 1; i < ST_COUNT && st == ST_OK; i++) {
        sqlite3_stmt *statement;

        if (!errors[i])
            continue;
        statement = database_statement(s->db, ERROR_ADD);
        sqlite3_bind_int64(statement, 1, id);
        sqlite3_bind_int(statement, 2, i);
        bind_count(statement, 3, errors[i]);
        st = database_run(s->db, statement, e);
    }
    return st;
}

enum status statistics_add(struct statistics *s, int64_t time_s, const char *table,
                           const char *call, const struct call_counts *counts, struct error *e)
{
    int64_t table_id = 0, call_id = 0, id = 0;
    enum status st;

    if ((st = name_id(s, TABLE_ID, TABLE_NEW, table, &table_id, e)) == ST_OK &&
        (st = name_id(s, CALL_ID, CALL_NEW, call, &call_id, e)) == ST_OK &&
        (st = add_usage(s, time_s, table_id, call_id, counts, &id, e)) == ST_OK &&
        (st = add_buckets(s, id, &counts->latency, e)) == ST_OK)
        st = add_errors(s, id, counts->errors, e);
    if (st != ST_OK)
        database_rollback(s->db);
    return st;
}

enum status statistics_memory(struct statistics *s, int64_t time_s, const char *table,
                              const struct memory_counts *counts, struct error *e)
{
    sqlite3_stmt *statement;
    enum status st;
    int64_t id = 0;

    if ((st = name_id(s, TABLE_ID, TABLE_NEW, table, &id, e)) == ST_OK) {
        statement = database_statement(s->db, MEMORY_SET);
        sqlite3_bind_int64(statement, 1, minute_of(time_s));
        sqlite3_bind_int64(statement, 2, id);
        bind_count(statement, 3, counts->private_bytes);
        bind_count(statement, 4, counts->mapped_bytes);
        bind_count(statement, 5, counts->allocated_bytes);
        st = database_run(s->db, statement, e);
    }
    if (st != ST_OK)
        database_rollback(s->db);
    return st;
}
