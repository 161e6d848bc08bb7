/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a StatsResponse that is about training. The main thread's. */
#pragma once

#include "base/arena.h"
#include "proto/embd.pb-c.h"
#include "storage/statistics_training.h"

struct server;
struct training_item;
struct refusal_item;

/* The rows while they come, linked and counted, since their number is known last. */
struct training_answer {
    struct arena *arena; /* holds them all */
    struct training_item *training, **last_training;
    struct refusal_item *refusals, **last_refusal;
    size_t training_count, refusal_count;
    Embd__V1__LogInfo log;
    bool whole; /* about all tables: with refusals and the log */
    struct error *e;
};

void training_answer_init(struct training_answer *a, struct arena *arena);
MUST_CHECK enum status training_answer_ask(struct training_answer *a, struct statistics *db,
                                           const struct statistics_query *query,
                                           const struct server *server, struct error *e);
/* Put it into the reply, which borrows it. */
MUST_CHECK enum status training_answer_lay_out(struct training_answer *a,
                                               Embd__V1__StatsResponse *reply, struct error *e);
