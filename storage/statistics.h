/* SPDX-License-Identifier: Apache-2.0 */
/* stats.db: what was called, how often, how fast, and what memory it took, by the minute and later
   by the hour. Plain tables and views that a person can query with the sqlite3 shell at any time
   (rollback journal, 0640). Owned by the main thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"
#include "base/status.h"

struct statistics;

/* What happened to one table by one call in some span of time. */
struct call_counts {
    uint64_t count, ids, missing;
    uint64_t hits, misses;     /* ids whose row a cache had, and that had to be decoded for it */
    uint64_t errors[ST_COUNT]; /* by status; [ST_OK] unused */
    struct histogram latency;
};

struct memory_counts {
    uint64_t private_bytes, mapped_bytes, allocated_bytes;
    uint64_t cache_bytes; /* of caches of decoded rows */
};

/* What a table is. */
struct table_content {
    const char *method;
    uint64_t rows, dim, parameter_bytes, work;
};

struct statistics_options {
    uint64_t keep_minutes_s; /* rows by the minute older than this are folded into hours */
    uint64_t keep_hours_s;   /* rows by the hour older than this are deleted */
};

/* Open or create DATA_DIR/stats.db. Damage is ST_DATA_LOSS and named; the file stays as it is. */
MUST_CHECK enum status statistics_open(struct statistics **out, const char *data_dir,
                                       const struct statistics_options *options, struct error *e);
void statistics_close(struct statistics *s);

/* One transaction: begin, any number of adds, commit. After a failure the transaction is rolled
   back: the caller keeps its counts and begins anew a second later. ST_UNAVAILABLE is nothing
   unusual: a person's query holds the file, and we wait for it no longer than 50 ms. ST_EXHAUSTED:
   the disk is full. */
MUST_CHECK enum status statistics_begin(struct statistics *s, struct error *e);
/* Add `counts` to the row of the minute that holds `time_s` (seconds since 1970). */
MUST_CHECK enum status statistics_add(struct statistics *s, int64_t time_s, const char *table,
                                      const char *call, const struct call_counts *counts,
                                      struct error *e);
/* Set the memory row of that minute; table "" is the process. */
MUST_CHECK enum status statistics_memory(struct statistics *s, int64_t time_s, const char *table,
                                         const struct memory_counts *counts, struct error *e);
/* Set what a table is, as it is served now. */
MUST_CHECK enum status statistics_content(struct statistics *s, const char *table,
                                          const struct table_content *content, struct error *e);
MUST_CHECK enum status statistics_commit(struct statistics *s, struct error *e);
/* Fold and delete what is old at `time_s`, a bounded amount a call; `*more` if something is left.
 */
MUST_CHECK enum status statistics_fold(struct statistics *s, int64_t time_s, bool *more,
                                       struct error *e);

enum span { SPAN_TOTAL, SPAN_MINUTE, SPAN_HOUR };

/* A row of an hour counts where the hour begins; a question that begins within a folded hour leaves
   it out. SPAN_MINUTE sees minutes that are not folded yet. */
struct statistics_query {
    const char *table, *call; /* NULL: all */
    int64_t from_s, to_s;     /* [from, to) */
    enum span span;
    size_t limit; /* rows of the answer at most; more, or reading over 100,000, is ST_EXHAUSTED */
};

struct statistics_row {
    const char *table, *call;
    int64_t start_s;  /* of a total: of the first minute or hour in it */
    uint32_t seconds; /* of a total: to the end of the last one */
    const struct call_counts *counts;
};

/* Hand each row, ordered by start, table, call, to `row`; a status other than ST_OK from it ends
   the query. */
MUST_CHECK enum status statistics_query(struct statistics *s, const struct statistics_query *query,
                                        enum status (*row)(void *context,
                                                           const struct statistics_row *row),
                                        void *context, struct error *e);
/* The newest memory row of each table (and the process) within [from, to). */
MUST_CHECK enum status statistics_query_memory(struct statistics *s, int64_t from_s, int64_t to_s,
                                               void (*row)(void *context, const char *table,
                                                           int64_t start_s,
                                                           const struct memory_counts *counts),
                                               void *context, struct error *e);
