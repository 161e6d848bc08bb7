/* SPDX-License-Identifier: Apache-2.0 */
/* Ids that come and go in a table that grows: which rows are spare, which unknown ids have been
   pushed often enough for a row, which rows nobody has named for too long. Of a training; the
   writer's.

     order:   growth_reserve → growth_admit     decides; nobody sees anything yet
              (the log)
     apply:   growth_begin → training_step … gate up → growth_show → training_write → gate down

   What was decided and not logged is taken back by growth_forget(). Counts of ids without a row are
   in memory alone: after a restart they begin at 0, and an id is admitted later. */
#pragma once

#include <stdbool.h>

#include "table/table.h"
#include "table/update.h"

struct growth;
struct training;

struct growth_limits {
    uint64_t admit_after; /* pushes that must name an unknown id before it gets a row, 1 or more */
    uint64_t admit_room;  /* ids that are counted at a time, 1 or more: when there are more, all
                             counts are halved, and those that become 0 go */
    uint64_t evict_after; /* seconds after which a row that no push named is given up; 0: never */
};
#define ADMIT_AFTER_DEFAULT 1
#define ADMIT_ROOM_DEFAULT ((uint64_t)1 << 20)

/* ST_INVALID if keys or touched are not where they can be written. `*out` is yours; the table
   outlives it. */
MUST_CHECK enum status growth_new(struct growth **out, struct table *t, struct error *e);
void growth_free(struct growth *g); /* NULL is fine */
void growth_set(struct growth *g, const struct growth_limits *limits);
const struct growth_limits *growth_limits(const struct growth *g);

/* Make room for an update that has unknown ids. ST_EXHAUSTED is the only failure. */
MUST_CHECK enum status growth_reserve(struct growth *g, const struct update *u, struct error *e);
/* Whether rows might have to be given up before the update can have all that it wants: then
   growth_sweep() comes first, if nothing of the present group is about the table. */
bool growth_short(const struct growth *g, const struct update *u, int64_t now);
/* Decide about the update's unknown ids and settle it (update_settle()): u->admitted are those that
   get a row. Room was reserved; cannot fail. */
void growth_admit(struct growth *g, struct update *u);
/* What was decided since the last growth_show() was not logged. */
void growth_forget(struct growth *g);

/* Rows that no push has named for evict_after, among the next ones in turn: a bounded walk. At most
   `most` of them, with their keys. */
size_t growth_sweep(struct growth *g, int64_t now, int64_t *key, uint64_t *row, size_t most);
/* Whether a sweep could find any. */
bool growth_may_evict(const struct growth *g, int64_t now);

/* What a log row says of keys and rows, int64 and uint64 of any alignment, can be done to the table
   as it is: rows that are spare for ids that are unknown, each once; or rows in use and their keys.
   ST_DATA_LOSS with what is wrong. For the replay. */
MUST_CHECK enum status growth_check(struct growth *g, bool admits, const void *keys,
                                    const void *rows, size_t n, struct error *e);
/* Begin the cells of rows and their optimizer's state. They are spare: nobody reads them until
   growth_show(). */
void growth_begin(struct growth *g, struct training *t, const void *rows, size_t n);
/* With the gate up and nobody inside: the rows are those of the keys, named at `seconds`. */
void growth_show(struct growth *g, struct training *t, const void *keys, const void *rows, size_t n,
                 int64_t seconds);
/* Rows are to be given up: before the gate goes up, and with it up and nobody inside. */
void growth_mark(struct growth *g, struct training *t, const void *rows, size_t n);
void growth_hide(struct growth *g, struct training *t, const void *keys, const void *rows,
                 size_t n);

/* For training_step(): when a row was named last, and that it is now. */
int64_t *growth_touched(struct growth *g, uint64_t row);
void growth_note(struct growth *g, int64_t seconds);

struct growth_counts {
    uint64_t used;     /* rows, now */
    uint64_t admitted; /* ids, since the table was opened; so the next two */
    uint64_t evicted;
    uint64_t refused; /* times that an id was due for a row and there was none */
    uint64_t counted; /* ids that have a count, now */
};
void growth_counts(const struct growth *g, struct growth_counts *out);
uint64_t growth_bytes(const struct growth *g); /* of memory, beside the table's */
