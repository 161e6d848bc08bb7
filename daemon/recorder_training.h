/* SPDX-License-Identifier: Apache-2.0 */
/* The recorder's part about training: from the gauges of trainable tables, the counts of refused
   pushes and the state of the log to stats.db. The main thread's; for recorder.c alone. */
#pragma once

#include "daemon/refusals.h"
#include "storage/statistics_training.h"

struct catalog;
struct entry;
struct recorder;
struct server;
struct training_recorder;

/* The writer is there. */
MUST_CHECK enum status training_recorder_new(struct training_recorder **out, struct server *server,
                                             unsigned slots, struct error *e);
void training_recorder_free(struct training_recorder *t); /* NULL is fine */

/* Another catalog, after a last look at the old one. What its tables counted before the first one
   was taken is the replay of the log, which is no news. */
void training_recorder_take(struct training_recorder *t, const struct catalog *c);
/* See what has happened since the last look. The catalog is still there. */
void training_recorder_look(struct training_recorder *t);
/* The slot goes to another name. */
void training_recorder_anew(struct training_recorder *t, unsigned slot);

/* Whether there is something to write, as far as the last look tells. */
bool training_recorder_due(const struct training_recorder *t, int64_t now);
/* Write it, as part of a transaction. */
MUST_CHECK enum status training_recorder_write(struct training_recorder *t, struct statistics *db,
                                               const struct recorder *names, int64_t now,
                                               struct error *e);
/* It is in the database. */
void training_recorder_settle(struct training_recorder *t, int64_t now);

/* What happened to a trainable table, whatever life of its name, since the start; `save_us` and
   `save_pause_us` are those of its last snapshot. */
void training_recorder_totals(const struct training_recorder *t, const struct entry *entry,
                              struct training_sums *out);
/* All refusals since the start; borrowed until the next look. */
size_t training_recorder_refusals(struct training_recorder *t, const struct refusal **out);
/* How the log stands now. */
struct log_state log_state_now(const struct server *server);
