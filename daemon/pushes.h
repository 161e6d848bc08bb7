/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's pushes: a queue in the order of arrival, of which one group after the other is put
   in order, logged in one transaction, applied push by push, and answered. A group ends when it is
   large, when the oldest of it has waited for commit_delay, or when nothing more has come.

     mail → queue → group: order (pushes_order.c) → registry_push → apply, answer

   The writer's; see writer_parts.h. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct order;
struct push;
struct push_row;
struct writer;

/* What the pushes of one stream share: once one of them is refused, none after it is applied, so
   that the client knows where it stands. */
struct lane {
    atomic_uint refs; /* the call's, and one of each push */
    bool broken;      /* the writer's */
};
MUST_CHECK enum status lane_new(struct lane **out, struct error *e); /* with one reference */
struct lane *lane_ref(struct lane *l);
void lane_unref(struct lane *l); /* NULL is fine */

struct pushes {
    struct push *first, **last; /* the queue */
    uint64_t bytes;             /* of its messages */
    size_t count;
    uint64_t since_us; /* when the oldest of it came */

    /* The group under way. */
    struct push **member; /* [GROUP_MOST] in the order of arrival */
    struct push_row *row; /* [GROUP_MOST] of those that will be logged */
    uint32_t *bucket;     /* [GROUP_BUCKETS] a trainer's newest push in the group: place + 1 */
    size_t members, rows;
    uint64_t number;     /* of the group: 1, 2, … */
    uint64_t watched;    /* that of a second ago */
    size_t new_trainers; /* without a position before this group */
    bool sync;           /* some table of it is not durability=interval */

    bool unsynced;    /* some pushes are logged but not synced … */
    uint64_t sync_us; /* … and will be by then */
};

#define GROUP_MOST 4096
#define GROUP_BUCKETS 8192 /* a power of two */

MUST_CHECK enum status pushes_init(struct pushes *p, struct error *e);
void pushes_done(struct pushes *p); /* no push may be queued */

/* Take over a push that has come. */
void pushes_take(struct writer *w, struct push *p);
/* Do what is due: a group, a sync. Returns how long the writer may sleep, in microseconds. */
uint64_t pushes_run(struct writer *w);
/* Something was logged that is not synced, and will be in time. */
void pushes_unsynced(struct writer *w);
/* Commit all that is queued. */
void pushes_finish(struct writer *w);

/* Answer an order about a trainer, behind the pushes that came before it. */
void pushes_position(struct writer *w, struct order *o);
void pushes_forget(struct writer *w, struct order *o);

/* pushes_order.c: decide what becomes of the next member of the group: a row of the log, a
   duplicate, or a refusal. False: nothing yet, since what it means depends on what the group does
   to a table that grows, or on room that has to be made first; it goes into the next group. */
MUST_CHECK bool pushes_order(struct writer *w, struct push *p);
/* The group's rows were not logged: so end those that stand on them. */
void pushes_fail(struct writer *w, enum status st, const struct error *why, const char *reason);
