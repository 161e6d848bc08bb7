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

struct call;
struct lane;
struct limits;
struct worker;

/* In push_table.flags: applying the push added its ids to the table's frequency. */
#define PUSH_COUNTED ((uint32_t)1)

/* A table of a push: all TablePushes that name it. */
struct push_target {
    struct entry *entry; /* borrowed from the catalog that it was prepared with; only to be compared
                            with what is served now, see `life`. NULL: no such table */
    uint64_t generation, life; /* of that entry: entry->generation, entry->lsn */
    unsigned slot;             /* for the counters; outlives the entry */
    struct update update;
    float rate;       /* the push's, else the table's as it is applied */
    uint64_t version; /* that it produced; set when it is put in order */
};

struct push {
    struct mail mail;
    struct push *next;
    struct arena arena; /* of the message's reading, and of what follows from it alone */
    unsigned char *message;
    size_t bytes;
    struct push_request request; /* views into the message */
    char trainer[TRAINER_MAX + 1];
    uint64_t content[2];
    size_t targets;             /* different tables that it names, in the order of the push */
    uint32_t *target_of;        /* [request.count] place of its table among them */
    struct update_query *query; /* [request.count] those of table 0, then of table 1, … */
    uint32_t *item;             /* [request.count] places of these in the push */
    size_t *first;              /* [targets + 1] where those of a table begin in `query` */

    /* What push_prepare() makes, in an arena of its own, since it may be made again. */
    struct arena prepared;
    struct push_target *target; /* [targets] */
    struct push_table *table;   /* [targets] room for what the log says of them */

    /* Who waits; `worker` is NULL if nobody does (the log is being replayed). `answer` runs on that
       worker if the call is still there. */
    struct worker *worker;
    uint64_t call_id;
    void (*answer)(struct call *call, struct push *p);
    uint64_t start_us;
    uint64_t charged;  /* bytes that count against max_queued_push_bytes */
    struct lane *lane; /* of the stream that it came by, or NULL; see pushes.h */

    /* The writer's, while the push is in a group. */
    struct push *earlier; /* the one before it of the same trainer; of a duplicate, the original */
    bool logged;          /* put in order: it has a row */
    bool provisional;     /* its outcome stands only if the group's rows are logged */

    /* The outcome. Before the writer has it: ST_OK, or why it will be refused unless it is a
       duplicate. */
    enum status status;
    struct error error;
    const char *reason; /* of a refusal, in one word; see push_reason.h */
    bool duplicate;
    uint64_t *versions; /* [request.count] */
    uint64_t lsn, skipped;
};

/* Copy and read a message. Not protobuf is ST_INTERNAL, a bad trainer or sequence ST_INVALID: such
   a push is refused here and now. `*out` is yours (push_free). */
MUST_CHECK enum status push_new(struct push **out, const void *message, size_t n, struct error *e);
void push_free(struct push *p); /* NULL is fine */
/* Check the push against the tables of a catalog and sum its gradients; sets p->status, p->error
   and p->reason. `room` bounds the memory for that; being over it is ST_EXHAUSTED. May be repeated
   with a newer catalog. By any thread that may read the catalog. */
void push_prepare(struct push *p, const struct catalog *c, const struct limits *limits,
                  size_t room);
/* Memory that the push holds. */
size_t push_memory(const struct push *p);

/* For the replay of the log: prepare only what the push says of one table that it names, and return
   that as `*out`. No limit holds, since the push was let in when it came. May be repeated for
   another table, which takes the place of the first. */
MUST_CHECK enum status push_prepare_one(struct push_target **out, struct push *p,
                                        struct entry *entry, struct error *e);

/* Apply an update to its table, whose training has room for it (training_reserve()): one push, seen
   by lookups whole or not at all, and `version` with it. Updates the gauges. By the writer, or
   while there are no other threads. */
void push_apply(struct entry *entry, const struct update *u, float rate, uint64_t version);
/* Add counts of lookups to the frequency of a table that has one, some rows at a time. By the same.
 */
void counts_apply(struct entry *entry, const struct counted *counted, size_t n);
/* The learning rate of a push at a table: its own, else the table's. */
float push_rate(const struct push *p, const struct entry *entry);

/* Send the push with its outcome back to who waits for it. The caller's hold on it ends. */
void push_answer(struct push *p);
