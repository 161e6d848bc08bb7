/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon keeps of a trainable table beside its memory: where its snapshots are, which is
   the newest of each lineage, and from which row on the log is still needed for it. The writer's,
   save that any thread may ask keep_describe(). */
#pragma once

#include <pthread.h>

#include "base/arena.h"
#include "storage/snapshot.h"
#include "table/catalog.h"

struct order;
struct saving;

/* One snapshot, for those who ask. */
struct kept {
    uint64_t version, lsn, bytes, checksum;
    int64_t time_us;
    bool whole;
    char file[64]; /* in the table's folder */
};

struct keep_lineage {
    bool exists;
    bool stale; /* what has changed since is not on record, so that the next one is a whole file */
    uint64_t first;           /* lsn of the first row after it that changed the table, 0: none */
    struct snapshot snapshot; /* the newest one */
};

struct keep {
    struct entry *entry;
    char *folder;
    uint64_t since; /* version at which the present content began; older snapshots are of another */
    struct keep_lineage lineage[LINEAGES];

    /* Saves: see saves.c. */
    struct keep *next; /* in the queue */
    bool queued;
    struct saving *saving; /* under way */
    struct order *group;   /* a SaveGroup has the table: no other save begins meanwhile */
    struct order *orders;  /* wait for the save that begins next */
    struct order *then;    /* waits until both lineages have everything: an unload, a reset */
    uint64_t retry_us;     /* no save by itself before that (clock_now_us()) … */
    uint64_t patience_us;  /* … which grows with each failure; 0: the last one succeeded */

    struct optimizer_settings next_settings; /* of the replay: see replay_options() */

    pthread_mutex_t lock; /* of what follows */
    struct kept *kept;    /* newest first */
    size_t kept_count;
    struct optimizer_settings settings; /* its `step` is that of `pushes` pushes since the start */
    uint64_t pushes;
    bool interval;          /* entry->interval */
    enum table_count count; /* entry->count */
};

/* For an entry with table, training and gauges; `folder` is copied. */
MUST_CHECK enum status keep_new(struct keep **out, struct entry *entry, const char *folder,
                                struct error *e);
void keep_free(struct keep *k); /* NULL is fine */

/* A snapshot is the newest of its lineage now; `first` as in keep_lineage. Updates the gauges. */
void keep_take(struct keep *k, const struct snapshot *s, bool stale, uint64_t first);
/* The row `lsn` of the log has changed the table. */
void keep_changed(struct keep *k, uint64_t lsn);
/* The first row of the log that the table still needs for its older snapshot, 0: none. */
uint64_t keep_hold(const struct keep *k);
/* The newest snapshot, NULL if there is none. */
const struct snapshot *keep_newest(const struct keep *k);
/* The lineage whose turn is next: one without a snapshot, or the one with the older. */
unsigned keep_turn(const struct keep *k);
/* Whether both lineages have the table as it is now. */
bool keep_complete(const struct keep *k);

/* What to tell those who ask: `list` of all snapshots (taken over) … */
void keep_list(struct keep *k, struct kept *list, size_t count);
/* … and the settings as they are now (copied). */
MUST_CHECK enum status keep_settings(struct keep *k, struct error *e);
/* From a snapshot to what is told of it; and those of a list that are not damaged, `*out` is yours
   (mem_free). */
struct kept kept_of(const struct snapshot *s);
MUST_CHECK enum status kept_from(struct kept **out, size_t *kept, const struct snapshot *list,
                                 size_t count, struct error *e);

struct keep_description {
    const struct kept *kept; /* in the arena, as all of it */
    size_t count;
    const char *optimizer;  /* JSON */
    const char *durability; /* constant, as is … */
    const char *counted;    /* … what is */
    uint64_t accesses;      /* counted so far */
};
/* By any thread that may read the entry. */
MUST_CHECK enum status keep_describe(struct keep_description *out, const struct entry *entry,
                                     struct arena *arena, struct error *e);
