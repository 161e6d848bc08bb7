/* SPDX-License-Identifier: Apache-2.0 */
/* A question to stats.db on its way from a worker to the main thread and back. It belongs to
   whoever holds it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "base/status.h"
#include "storage/statistics.h"

struct block;
struct control;
struct worker;

struct stats_query {
    struct mail mail;
    struct worker *worker;
    uint64_t call_id;

    char *table, *call; /* NULL: all */
    int64_t from_s, to_s;
    enum span span;
    bool histogram, memory, training;

    enum status status;
    struct block *reply; /* with ST_OK: a packed StatsResponse, for call_reply() */
    struct error error;
};

/* Empty texts ask for all. */
MUST_CHECK enum status stats_query_new(struct stats_query **out, const char *table,
                                       const char *call, struct error *e);
void stats_query_free(struct stats_query *q);
/* Answer it. Main thread. */
void stats_query_run(struct stats_query *q, struct control *control);
