/* SPDX-License-Identifier: Apache-2.0 */
/* What an order is about that concerns several tables, or a checkpoint. Part of its order, and
   whose that is may touch it. */
#pragma once

#include "daemon/order.h"
#include "storage/checkpoint.h"

struct writer;

struct group {
    struct order *next; /* in the writer's list of labels */
    bool replace;       /* SaveGroup */
    /* The tables: the names asked for by SaveGroup, sorted (none: all); the loads of LoadGroup, in
       the order of the call, and of RestoreGroup, by name. */
    char (*name)[TABLE_NAME_MAX + 1];
    struct order **load;
    size_t count;

    struct checkpoint checkpoint; /* that is written, or was read */
    /* SaveGroup: [checkpoint.tables] */
    struct keep **keep;        /* the writer's */
    struct snapshot *snapshot; /* that belong to the checkpoint: old ones, or written for it */
    size_t bad;                /* place of one that could not be taken into the checkpoint */
    struct checkpoint *list;   /* what Groups tells, … */
    size_t listed;             /* … and how many */

    /* The writer's */
    size_t missing; /* members that are not back */
    bool begun;     /* SaveGroup: the instant was */
    void (*run)(struct order *o);
    void (*done)(struct writer *w, struct order *o);
    struct mailbox *back;
    const char *data_dir;
    uint64_t most; /* max_checkpoints */
};

/* An order of one of the group kinds, about a checkpoint (label) or none (""), with room for
   `count` names or loads. */
MUST_CHECK enum status group_new(struct order **out, enum order_kind kind, const char *label,
                                 size_t count, struct error *e);
void group_free(struct group *g); /* NULL is fine */
/* Room for the loads; for RestoreGroup, whose tables only the checkpoint tells. */
MUST_CHECK enum status group_room(struct group *g, size_t count, struct error *e);
