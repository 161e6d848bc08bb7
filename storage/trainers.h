/* SPDX-License-Identifier: Apache-2.0 */
/* Trainers by name: a hash table of their positions. Owned by the registry. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "storage/registry.h"

struct trainer {
    struct position now;    /* sequence 0: it has none yet */
    struct position next;   /* after the group that is being written */
    struct trainer *staged; /* the next one with a `next` */
    bool is_staged;
};

struct trainers {
    struct trainer **slot; /* open addressing; NULL: free */
    size_t slots;          /* a power of two, or 0 */
    size_t count;
};

struct trainer *trainers_find(const struct trainers *t, const char *name); /* or NULL */
/* Add a name that is not there, with no position. */
MUST_CHECK enum status trainers_add(struct trainers *t, const char *name, struct trainer **out,
                                    struct error *e);
/* Take one out and free it. */
void trainers_remove(struct trainers *t, struct trainer *trainer);
void trainers_done(struct trainers *t);
