/* SPDX-License-Identifier: Apache-2.0 */
/* The catalog: which tables are served under which names. A catalog is immutable; a change makes a
   new one (entries are shared between the two), which the writer publishes and each reading thread
   takes between two events. When all have taken it, the writer frees the old catalog and the
   entries that left it. The writer thread alone makes, publishes and frees. */
#pragma once

#include "table/caches.h"
#include "table/gate.h"
#include "table/samples.h"
#include "table/table.h"

struct keep;
struct training;

#define TABLE_NAME_MAX 128

/* How a trainable table stands, for those who ask (main thread, Describe): written by the writer
   alone, with relaxed atomics. Counts are since the table was opened. */
struct training_gauges {
    atomic_uint_fast64_t pushes, ids, rows, skipped, kept, saturated, clipped, changed_bytes;
    /* Of a table that grows: rows in use; ids that got and lost a row, and times that there was
       none for one. */
    atomic_uint_fast64_t used_rows, admitted, evicted, crowded;
    atomic_uint_fast64_t snapshot_version, snapshot_lsn, snapshot_bytes; /* of the newest one */
    atomic_uint_fast64_t snapshot_us;            /* when, since 1970; 0: none */
    atomic_uint_fast64_t snapshots;              /* written since the start … */
    atomic_uint_fast64_t snapshots_bytes;        /* … and their bytes: write amplification */
    atomic_uint_fast64_t save_us, save_pause_us; /* the last save took, and held the writer for */
    atomic_uint_fast64_t memory_bytes;           /* entry_training_bytes() */
    atomic_uint_fast64_t accesses;               /* the sum of the table's frequency */
};

/* What adds to the frequency of a trainable table's rows. */
enum table_count { COUNT_NO, COUNT_PUSHES, COUNT_BOTH /* pushes and lookups */ };

struct entry {
    char name[TABLE_NAME_MAX + 1];
    size_t name_length;
    struct table *table; /* NULL: damaged, see `trouble` */
    char *trouble;       /* why the table cannot be served: lookups get DATA_LOSS with this text */
    /* Number of pushes applied. Written by the writer while the gate is up; a lookup that is inside
       the gate reads the version that its rows have. */
    atomic_uint_fast64_t version;
    /* How often rows have changed since the entry was made: like `version`, but admissions count
       too. What is kept of rows is good for one number of it. */
    atomic_uint_fast64_t moment;
    /* Decoded rows, made by the writer when they were to be kept first; and how much of them, the
       writer's own. */
    _Atomic(struct caches *) caches;
    struct cache_size cache;
    struct training *training;      /* NULL: read-only. The writer's */
    struct training_gauges *gauges; /* with `training` */
    struct keep *keep;              /* with `training`: its snapshots; see daemon/keep.h */
    bool interval;          /* with `training`, the writer's: pushes may be answered before the sync
                               of the log (durability=interval) */
    enum table_count count; /* with `training`, the writer's; needs training_can_count() */
    struct samples *samples; /* the writer's: made when lookups were to be counted first */
    _Atomic(struct samples *) sampling; /* the same while they are, else NULL; for those inside */
    /* The writer's own: the version that the newest push of the group `ordered_in` produces. */
    uint64_t ordered, ordered_in;
    /* The writer's own, of a table that grows: the group that brings ids in; rows are wanted. */
    uint64_t admitting;
    bool wants_rows;
    const char *refusal; /* the writer's own: why pushes are refused for now ("is being replaced"),
                            or NULL */
    uint64_t generation; /* which life of the name */
    unsigned slot;       /* place of the name in the statistics; the same for all lives of a name */
    /* For those who ask about the table; set before the entry is shown to anybody. */
    char *file;        /* where it was loaded from; may be NULL */
    uint64_t checksum; /* of the file's data area */
    uint64_t lsn;      /* of the change that put it there */
    int64_t loaded_us; /* when, since 1970 */
    bool fetched;      /* the writer's own: the table is in memory, or was */
    bool reported;     /* the writer's own: that the table is damaged has been logged */
    struct gate gate;
};

struct catalog {
    uint64_t number;      /* 1, 2, 3, … */
    uint64_t lsn;         /* of the last change in it */
    struct entry **entry; /* sorted by name */
    size_t count;
    uint32_t *bucket;    /* open addressing by hash of the name, 0 = empty, else place + 1 */
    size_t bucket_count; /* power of two */
};

MUST_CHECK enum status entry_new(struct entry **out, const char *name, struct table *table,
                                 uint64_t version, uint64_t generation, unsigned slot,
                                 unsigned workers, struct error *e);
/* Make the entry a trainable one, with gauges at 0; before it is shown to anybody. The training is
   the entry's from then on, unless this fails. */
MUST_CHECK enum status entry_train(struct entry *entry, struct training *training, struct error *e);
/* What is counted from now on; by the writer. ST_EXHAUSTED (memory): as before. */
MUST_CHECK enum status entry_count(struct entry *entry, enum table_count count, struct error *e);
/* How much of decoded rows is kept from now on; by the writer. Not for a damaged table.
   ST_EXHAUSTED (memory): as before. */
MUST_CHECK enum status entry_cache(struct entry *entry, const struct cache_size *size,
                                   struct cache_budget *budget, struct error *e);
/* By a worker inside the gate: its cache, begun with the moment that the table has; or NULL. */
struct cache *entry_cache_of(struct entry *entry, unsigned worker);
/* By any thread: memory of all caches of the table. */
uint64_t entry_cache_bytes(const struct entry *entry);
/* Memory of the training and of the counts of lookups, beside the table's own. */
uint64_t entry_training_bytes(const struct entry *entry);
/* Close the table and free the entry with its training, its gauges and its texts. Nobody may be
   inside its gate. */
void entry_free(struct entry *entry);
/* The same, but the table is left to the caller, who closes it. */
struct table *entry_end(struct entry *entry);

/* The empty catalog, number 1. */
MUST_CHECK enum status catalog_new(struct catalog **out, struct error *e);
/* A copy of `c` with `entry` added, or in place of the entry of the same name; its number is one
   higher. */
MUST_CHECK enum status catalog_with(struct catalog **out, const struct catalog *c,
                                    struct entry *entry, uint64_t lsn, struct error *e);
MUST_CHECK enum status catalog_without(struct catalog **out, const struct catalog *c,
                                       const char *name, uint64_t lsn, struct error *e);
void catalog_free(struct catalog *c); /* not its entries */
/* The entry of a name of `n` bytes, or NULL. Borrowed. */
struct entry *catalog_find(const struct catalog *c, const char *name, size_t n);
