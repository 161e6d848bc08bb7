/* SPDX-License-Identifier: Apache-2.0 */
/* Which name has which place in the counters. A name keeps its slot through all its lives, until
   slots run out: then the name that has not been served for the longest time loses its own. The
   writer's. */
#pragma once

#include "base/status.h"
#include "table/catalog.h"

/* A name that is not served any more. */
struct slot_past {
    char name[TABLE_NAME_MAX + 1];
    unsigned slot;
};

struct slots {
    unsigned count;         /* slots for names, from SLOT_FIRST on: max_tables */
    unsigned used;          /* ever given out */
    struct slot_past *past; /* [count], the longest unserved first */
    unsigned past_count;
};

MUST_CHECK enum status slots_init(struct slots *s, unsigned count, struct error *e);
void slots_done(struct slots *s);
/* The slot for a name that is about to be served and is not yet; ST_EXHAUSTED when `count` names
 * are. */
MUST_CHECK enum status slots_take(struct slots *s, const char *name, unsigned *slot,
                                  struct error *e);
/* The name is not served any more. */
void slots_release(struct slots *s, const char *name, unsigned slot);
