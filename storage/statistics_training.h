/* SPDX-License-Identifier: Apache-2.0 */
/* stats.db, the part about training: pushes and snapshots of each table, refused pushes, the log,
   the starts of the daemon. As statistics.h: the main thread's; one transaction holds it all, and a
   failure rolls that back. */
#pragma once

#include "storage/statistics.h"

/* What happened to a trainable table in some span of time. */
struct training_sums {
    uint64_t pushes, ids, rows, skipped;
    uint64_t kept, saturated, clipped; /* see table/training.h */
    uint64_t changed_bytes;
    uint64_t snapshots, snapshot_bytes;  /* that were finished, and the size of their files */
    uint64_t admitted, evicted, crowded; /* ids: see table/growth.h */
    uint64_t save_us, save_pause_us;     /* the highest of these; 0 if there were none */
};

/* How it stood at the end of that. */
struct training_state {
    uint64_t version, snapshot_version;
    int64_t snapshot_s; /* when the newest snapshot was taken, since 1970; 0: none */
    uint64_t memory_bytes;
    uint64_t used_rows; /* of a table that grows, else 0 */
};

struct log_state {
    uint64_t lsn, rows, bytes, disk_bytes, queued_bytes;
};

struct start_record {
    int64_t time_s;
    const char *version; /* of the daemon */
    uint64_t opening_us, replay_us, replay_rows, pushes, lsn, tables, damaged;
};

/* Add to the table's row of that minute, and set how it stands. */
MUST_CHECK enum status statistics_training(struct statistics *s, int64_t time_s, const char *table,
                                           const struct training_sums *sums,
                                           const struct training_state *state, struct error *e);
/* Add to the refusals of that minute; trainer "": none, "*": others. */
MUST_CHECK enum status statistics_refusal(struct statistics *s, int64_t time_s, const char *trainer,
                                          enum status status, const char *reason, uint64_t count,
                                          struct error *e);
/* Set the log's row of that minute. */
MUST_CHECK enum status statistics_log(struct statistics *s, int64_t time_s,
                                      const struct log_state *state, struct error *e);
MUST_CHECK enum status statistics_start(struct statistics *s, const struct start_record *start,
                                        struct error *e);

struct training_row {
    const char *table;
    int64_t start_s; /* as in struct statistics_row */
    uint32_t seconds;
    const struct training_sums *sums;
    const struct training_state *state;
};
/* Hand each row, ordered by start and table, to `row`; `query->call` says nothing here. */
MUST_CHECK enum status
statistics_query_training(struct statistics *s, const struct statistics_query *query,
                          enum status (*row)(void *context, const struct training_row *row),
                          void *context, struct error *e);

struct refusal_row {
    const char *trainer, *reason;
    enum status status;
    int64_t start_s;
    uint32_t seconds;
    uint64_t count;
};
/* Ordered by start, trainer, status and reason; table and call of the query say nothing here. */
MUST_CHECK enum status
statistics_query_refusals(struct statistics *s, const struct statistics_query *query,
                          enum status (*row)(void *context, const struct refusal_row *row),
                          void *context, struct error *e);
