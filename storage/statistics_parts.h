/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the statistics share; for them alone. */
#pragma once

#include "storage/database.h"
#include "storage/statistics.h"

#define MINUTE 60
#define HOUR 3600

enum stats_statement {
    TABLE_ID,
    TABLE_NEW,
    CALL_ID,
    CALL_NEW,
    USAGE_ADD,
    BUCKET_ADD,
    ERROR_ADD,
    MEMORY_SET,
    CONTENT_SET,
    USAGE_OLDEST,
    USAGE_TO_HOUR,
    BUCKETS_TO_HOUR,
    ERRORS_TO_HOUR,
    USAGE_DROP,
    USAGE_EXPIRED,
    MEMORY_TO_HOUR,
    MEMORY_DROP_FOLDED,
    MEMORY_DROP_EXPIRED,
    USAGE_ROWS,
    USAGE_BUCKETS,
    USAGE_ERRORS,
    MEMORY_ROWS,
    TRAINING_ADD,
    TRAINING_TO_HOUR,
    TRAINING_DROP_FOLDED,
    TRAINING_DROP_EXPIRED,
    REFUSAL_ADD,
    REFUSAL_TO_HOUR,
    REFUSAL_DROP_FOLDED,
    REFUSAL_DROP_EXPIRED,
    LOG_SET,
    LOG_TO_HOUR,
    LOG_DROP_FOLDED,
    LOG_DROP_EXPIRED,
    START_ADD,
    START_DROP_EXPIRED,
    TRAINING_ROWS,
    REFUSAL_ROWS,
    STATS_STATEMENTS
};

extern const char *const statistics_statements[STATS_STATEMENTS];

/* Rows that one question may read, whatever comes out: half a second or so for whoever waits. */
#define READ_MOST 100000

struct statistics {
    struct database *db;
    struct statistics_options options;
    /* A query adds up one row here, from parts that it reads there. */
    struct call_counts sum, part;
};

/* Run a statement that gives at most one row, of one number. */
MUST_CHECK enum status one_number(struct statistics *s, sqlite3_stmt *statement, int64_t *number,
                                  bool *found, struct error *e);
/* The id of a table's name, given now if it has none. */
MUST_CHECK enum status statistics_table_id(struct statistics *s, const char *table, int64_t *id,
                                           struct error *e);

static inline int64_t minute_of(int64_t time_s)
{
    return time_s - (time_s % MINUTE + MINUTE) % MINUTE;
}

/* Counters are unsigned, SQLite's numbers are not. */
static inline void bind_count(sqlite3_stmt *statement, int place, uint64_t count)
{
    sqlite3_bind_int64(statement, place, count < INT64_MAX ? (int64_t)count : INT64_MAX);
}

/* The unit of time that a row of the answer is about, 0 for all; and rows up to which length are
   read. */
static inline int64_t span_unit(enum span span)
{
    return span == SPAN_TOTAL ? 0 : span == SPAN_MINUTE ? MINUTE : HOUR;
}
static inline int64_t span_longest(enum span span)
{
    return span == SPAN_MINUTE ? MINUTE : HOUR;
}
