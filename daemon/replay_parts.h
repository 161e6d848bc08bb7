/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the replay share: replay.c (rows, pushes, changes) and replay_counts.c. The
   writer's. */
#pragma once

#include "daemon/keep.h"
#include "daemon/writer_parts.h"

/* A name that is registered as trainable and is not served. */
struct absent {
    const char *name;
    uint64_t generation, version, lsn; /* of its older snapshot */
};

struct replay {
    struct writer *w;
    struct opening *opening;
    uint64_t after, lsn, last; /* lsn: the row at hand */
    uint64_t begin_us, say_us;
    struct absent *absent;
    size_t absents;
};

/* What becomes of the start when a table cannot go on: without memory it ends, else the table is
   damaged. */
MUST_CHECK enum status replay_end(struct replay *r, struct entry *entry, enum status st,
                                  const struct error *trouble, struct error *e);
/* A row that makes no version has changed the table, unless a snapshot has it. */
void replay_note(struct keep *k, uint64_t lsn);
/* Counts of lookups. */
MUST_CHECK enum status replay_counts(struct replay *r, const struct logged *l, struct error *e);
