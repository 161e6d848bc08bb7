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
    STATS_STATEMENTS
};

struct statistics {
    struct database *db;
    struct statistics_options options;
    /* A query adds up one row here, from parts that it reads there. */
    struct call_counts sum, part;
};

/* Run a statement that gives at most one row, of one number. */
MUST_CHECK enum status one_number(struct statistics *s, sqlite3_stmt *statement, int64_t *number,
                                  bool *found, struct error *e);
