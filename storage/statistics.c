/* SPDX-License-Identifier: Apache-2.0 */
/* stats.db: its schema, and the writing of the current minute. */
#include "storage/statistics.h"

#include <string.h>

#include "base/memory.h"
#include "storage/statistics_parts.h"

static const char stats_1[] =
#include "storage/sql/stats_1.inc"
    ;

static const char stats_2[] =
#include "storage/sql/stats_2.inc"
    ;

static const char stats_3[] =
#include "storage/sql/stats_3.inc"
    ;

static const char stats_4[] =
#include "storage/sql/stats_4.inc"
    ;

static const char stats_5[] =
#include "storage/sql/stats_5.inc"
    ;

static const char *const migrations[] = {stats_1, stats_2, stats_3, stats_4, stats_5};

static const struct database_format stats_format = {
    .file = "stats.db",
    .application_id = 0x656d6273, /* "embs" */
    .mode = 0640,
    .page_bytes = 4096,
    .journal = "truncate",
    .settings = "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON",
    /* A person's query may hold the lock; the caller keeps its counts and comes again. */
    .busy_ms = 50,
    .migration = migrations,
    .migrations = sizeof migrations / sizeof migrations[0],
    .statement = statistics_statements,
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

enum status statistics_table_id(struct statistics *s, const char *table, int64_t *id,
                                struct error *e)
{
    return name_id(s, TABLE_ID, TABLE_NEW, table, id, e);
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
    bind_count(statement, 9, counts->hits);
    bind_count(statement, 10, counts->misses);
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

    if ((st = statistics_table_id(s, table, &table_id, e)) == ST_OK &&
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

    if ((st = statistics_table_id(s, table, &id, e)) == ST_OK) {
        statement = database_statement(s->db, MEMORY_SET);
        sqlite3_bind_int64(statement, 1, minute_of(time_s));
        sqlite3_bind_int64(statement, 2, id);
        bind_count(statement, 3, counts->private_bytes);
        bind_count(statement, 4, counts->mapped_bytes);
        bind_count(statement, 5, counts->allocated_bytes);
        bind_count(statement, 6, counts->cache_bytes);
        st = database_run(s->db, statement, e);
    }
    if (st != ST_OK)
        database_rollback(s->db);
    return st;
}

enum status statistics_content(struct statistics *s, const char *table,
                               const struct table_content *content, struct error *e)
{
    sqlite3_stmt *statement;
    enum status st;
    int64_t id = 0;

    if ((st = statistics_table_id(s, table, &id, e)) == ST_OK) {
        statement = database_statement(s->db, CONTENT_SET);
        sqlite3_bind_int64(statement, 1, id);
        sqlite3_bind_text(statement, 2, content->method, -1, SQLITE_STATIC);
        bind_count(statement, 3, content->rows);
        bind_count(statement, 4, content->dim);
        bind_count(statement, 5, content->parameter_bytes);
        bind_count(statement, 6, content->work);
        st = database_run(s->db, statement, e);
    }
    if (st != ST_OK)
        database_rollback(s->db);
    return st;
}
