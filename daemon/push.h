/* SPDX-License-Identifier: Apache-2.0 */
/* One push on its way: read and checked by the worker it came to, put in order and logged by the
   writer, applied, answered. The same object serves the replay of the log. It is whoever holds it
   who may touch it.

     worker ── push_new, push_prepare ──> writer: sequence, log, push_apply ──> worker: answer

   A push that breaks a rule goes to the writer like any other, with its refusal in `status`, since
   the question whether its sequence was applied before comes first. */
#pragma once

#include "base/arena.h"
#include "base/mailbox.h"
#include "proto/push_coding.h"
#include "storage/registry.h"
#include "table/catalog.h"
#include "table/training.h"

struct limits;
struct worker;

/* A table of a push: all TablePushes that name it. */
struct push_target {
    struct entry *entry; /* borrowed from the catalog that it was prepared with; only to be compared
                            with what is served now, see `life` */
    uint64_t generation, life; /* of that entry: entry->generation, entry->lsn */
    struct update update;
    float rate;       /* the push's, else the table's as it is applied */
    uint64_t version; /* that it produced; set when it is put in order */
};

struct push {
    struct mail mail;
    struct push *next;
    struct arena arena; /* of everything below */
    unsigned char *message;
    size_t bytes;
    struct push_request request; /* views into the message */
    char trainer[TRAINER_MAX + 1];
    uint64_t content[2];
    struct push_target *target; /* each table once, in the order of the push */
    size_t targets;
    uint32_t *target_of; /* [request.count] place in `target` */

    /* Who waits; NULL if nobody (the log is being replayed). */
    struct worker *worker;
    uint64_t call_id;
    uint64_t start_us;

    /* The outcome. Before the writer has it: ST_OK, or why it will be refused unless it is a
       duplicate. */
    enum status status;
    struct error error;
    bool duplicate;
    uint64_t *versions; /* [request.count] */
    uint64_t lsn, skipped;
};

/* Copy and read a message. Not protobuf is ST_INTERNAL, a bad trainer or sequence ST_INVALID: such
   a push is refused here and now. `*out` is yours (push_free). */
MUST_CHECK enum status push_new(struct push **out, const void *message, size_t n, struct error *e);
void push_free(struct push *p); /* NULL is fine */
/* Check the push against the tables of a catalog and sum its gradients; sets p->status and
   p->error. May be repeated with a newer catalog. By any thread that may read the catalog. */
void push_prepare(struct push *p, const struct catalog *c, const struct limits *limits);
