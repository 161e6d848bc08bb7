/* SPDX-License-Identifier: Apache-2.0 */
/* log.db: the daemon's one log, and the registry of tables and trainers that its rows produce.
   Every change of a table's state or settings is a row of the log, numbered by lsn without gaps,
   written durably (SQLite, WAL, synchronous=FULL) before it is acted on. Pushes come in groups, one
   transaction each. Rows that all snapshots have behind them are deleted from the front. Owned by
   the writer thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/status.h"
#include "table/samples.h"

struct registry;

/* Kinds of log rows; the numbers are part of the file's format. */
enum change_kind {
    CHANGE_LOAD = 1,           /* a name is served from now on */
    CHANGE_REPLACE = 2,        /* a served name has another file */
    CHANGE_UNLOAD = 3,         /* not served any more */
    CHANGE_FORGET = 4,         /* unloaded, and its files and settings are gone */
    CHANGE_OPTIONS = 5,        /* settings of a served table */
    CHANGE_PUSH = 6,           /* gradients for one or more tables */
    CHANGE_FORGET_TRAINER = 7, /* a trainer's position is gone */
    CHANGE_ADMIT = 8,          /* ids get rows of a table, by the push behind */
    CHANGE_EVICT = 9,          /* ids lose their rows; a version of its own */
    CHANGE_COUNT = 10          /* how often lookups have named rows of a table */
};

enum registered_by { BY_CONFIGURATION = 0, BY_CALL = 1 };

struct registered {
    char name[129];
    char *file;    /* absolute path */
    char *options; /* JSON object of the table's options, keys sorted */
    uint64_t generation;
    uint64_t version; /* the version at which this file is served */
    uint64_t lsn;     /* of the last change */
    int64_t time_us;  /* when, since 1970 */
    enum registered_by by;
    bool served;
    struct file_identity identity; /* of the file when it was loaded */
    uint64_t checksum;             /* of its data area */
    bool trainable;                /* it has snapshots of its own; `file` was only their origin */
    uint64_t header_hash; /* of the file's header (struct header.hash), by which a changed FILE of a
                             trainable table is known; 0: not known */
};

/* Open or create the log in the folder `data_dir` (0600, WAL, exclusive). An existing file is held
   against everything that can be checked: SQLite's quick_check, schema version, lsn gaps, the
   checksum of each row, the tables against the rows, and log.mark, which says outside of the log
   how far it had come. Damage is ST_DATA_LOSS with a sentence that names the file and what is
   wrong; nothing is repaired or replaced. Another process that holds it is ST_UNAVAILABLE, a newer
   schema ST_PRECONDITION. */
MUST_CHECK enum status registry_open(struct registry **out, const char *data_dir, struct error *e);
void registry_close(struct registry *r);

uint64_t registry_lsn(const struct registry *r); /* of the last change, 0 if none */
/* Of the last row that was deleted from the front: the log holds registry_first() + 1 to
   registry_lsn(). */
uint64_t registry_first(const struct registry *r);
/* Bytes of the rows that the log holds: what a replay reads, and what shortening makes less. */
uint64_t registry_bytes(const struct registry *r);
/* Bytes of log.db and its -wal on disk. log.db keeps the pages of deleted rows for later ones, so
   it stays as large as the log ever was. */
uint64_t registry_disk_bytes(const struct registry *r);
/* All names ever registered and not forgotten, sorted; borrowed until the next change. */
size_t registry_list(const struct registry *r, const struct registered *const **list);
const struct registered *registry_find(const struct registry *r, const char *name); /* or NULL */
/* How many lives a name has had, forgotten ones too: the generation of the newest. */
uint64_t registry_lives(const struct registry *r, const char *name);

/* Log one change and update the registry, durably, in one transaction. A LOAD and a REPLACE take
   everything that `change` says of the table, OPTIONS only `by` and the options, UNLOAD and FORGET
   only `by`; the rest stays as registered. `lsn`, `time_us`, `served` and `generation` (of a LOAD
   one more than any earlier life of the name) are set in `change`. A LOAD of a served name is
   ST_EXISTS, every other change of a name that is not served ST_NOT_FOUND, except that FORGET also
   takes an unloaded one. After a failure nothing has changed, but see registry_trouble(). */
MUST_CHECK enum status registry_change(struct registry *r, enum change_kind kind,
                                       struct registered *change, struct error *e);

/* The same for several changes of different names, all of them or none: `kind[i]` and `change[i]`
   belong together, and their lsn follow each other in this order. */
MUST_CHECK enum status registry_changes(struct registry *r, const enum change_kind *kind,
                                        struct registered *change, size_t count, struct error *e);

/* Move what is in log.db-wal to log.db: if `idle` all there is, else only when the -wal has grown
   large. The owner calls it after changes and when it has nothing else to do. A full disk is
   ST_EXHAUSTED and harmless. */
MUST_CHECK enum status registry_checkpoint(struct registry *r, bool idle, struct error *e);

/* Files that were checked in full before: true, and their checksum, if the identity is as it was.
 */
bool registry_file_known(struct registry *r, const struct file_identity *id, uint64_t *checksum);
MUST_CHECK enum status registry_file_remember(struct registry *r, const struct file_identity *id,
                                              uint64_t checksum, struct error *e);

/* ST_OK while the log can be written. Compares the files on disk with those that are open (a log
   that was deleted or replaced under us would take writes and keep nothing), and remembers failed
   writes: from then on every change is refused with ST_UNAVAILABLE and this sentence, until a
   restart. A full disk is no such failure. */
MUST_CHECK enum status registry_trouble(struct registry *r, struct error *e);

/* ---- Pushes ---- */

#define TRAINER_MAX 128

/* What a push means to one of its tables. */
struct push_table {
    char name[129];
    uint64_t generation;
    uint64_t version;    /* that the push produces */
    float learning_rate; /* the one used */
    uint32_t flags;      /* the caller's, kept (daemon/push.h) */
};

/* A row of the log about ids that come (CHANGE_ADMIT) or go (CHANGE_EVICT) in a table. */
struct growth_row {
    char name[129];
    uint64_t generation;
    uint64_t version; /* of the push that brings them in; or the one that their going produces */
    const void *keys; /* int64 [count], of any alignment, as all here */
    const void *rows; /* uint64 [count] */
    size_t count;
    uint64_t lsn;    /* set */
    int64_t time_us; /* set */
};

/* A row of the log for a push. */
struct push_row {
    const char *trainer; /* "" if the push has no trainer; then sequence is 0 */
    uint64_t sequence;
    uint64_t content[2];            /* XXH3-128 of the message, low half first */
    const struct push_table *table; /* each once, in the order of the push */
    size_t tables;
    const void *message; /* as it came; opaque here */
    size_t bytes;
    struct growth_row
        *growth; /* rows that go before it, of tables that it names, each at most once */
    size_t growths;
    uint64_t lsn;    /* set */
    int64_t time_us; /* set; the same for all of a group */
};

/* Log a group of pushes durably in one transaction, in this order, and advance their trainers. The
   caller has checked the sequences against registry_position(), the earlier rows of the group
   counted, and made the versions: tables are served and of their registered generation, and in one
   generation versions only grow. What does not follow is refused (ST_INTERNAL, ST_NOT_FOUND for a
   table), since the next start would take it for damage. `sync` false: committed without waiting
   for the disk, for tables that take that risk; registry_sync() must follow in time. ST_EXHAUSTED
   (the disk is full; or one of the group is a trainer more than max_trainers, which is checked
   before anything is written): nothing has happened, later calls may succeed. After any other
   failure see registry_trouble(); rows may or may not be there at the next start. */
MUST_CHECK enum status registry_push(struct registry *r, struct push_row *row, size_t count,
                                     bool sync, struct error *e);
/* Log a row of CHANGE_EVICT, durably, in a transaction of its own; failures as above. */
MUST_CHECK enum status registry_evict(struct registry *r, struct growth_row *row, struct error *e);
/* Make everything committed so far durable; nothing is done if it is. Needed, too, before a
   snapshot gets its name, or after a power cut it could be ahead of the log. */
MUST_CHECK enum status registry_sync(struct registry *r, struct error *e);

/* A trainer's last push. */
struct position {
    char trainer[TRAINER_MAX + 1];
    uint64_t sequence;
    uint64_t content[2];
    uint64_t lsn;
    int64_t time_us;
};
const struct position *registry_position(const struct registry *r,
                                         const char *trainer); /* or NULL */
size_t registry_trainers(const struct registry *r);            /* how many have a position */
/* Those, in no order, at most `room` of them; borrowed until the next change. Returns how many are
   there. */
size_t registry_positions(const struct registry *r, const struct position **out, size_t room);
void registry_set_max_trainers(struct registry *r, size_t most);
/* An earlier push of a trainer, if the log still has it: its content, lsn and tables (at most
   `room` are written, *tables says how many there are). ST_NOT_FOUND if it has not. */
MUST_CHECK enum status registry_push_find(struct registry *r, const char *trainer,
                                          uint64_t sequence, uint64_t content[2], uint64_t *lsn,
                                          struct push_table *table, size_t room, size_t *tables,
                                          struct error *e);
/* Log that a trainer is forgotten. ST_NOT_FOUND if it has no position. */
MUST_CHECK enum status registry_forget_trainer(struct registry *r, const char *trainer,
                                               uint64_t *lsn, struct error *e);

/* ---- Counts of lookups ---- */

/* A row of the log for them. */
struct count_row {
    char name[129];
    uint64_t generation;
    uint64_t version;              /* of the table, which stays as it is */
    const struct counted *counted; /* rows ascending, each once */
    size_t count;
    uint64_t lsn; /* set */
};

/* Log counts of a served table in a transaction that is not synced: registry_sync() must follow in
   time. What does not fit the table's registered generation and its pushes is refused (ST_INTERNAL,
   ST_NOT_FOUND). ST_EXHAUSTED: nothing has happened. After any other failure see
   registry_trouble(). */
MUST_CHECK enum status registry_count(struct registry *r, struct count_row *row, struct error *e);

/* ---- Replay and shortening ---- */

struct count_body;

/* A row of the log, for replay. Of kind CHANGE_PUSH: `push` is set, without the rows before it; of
   CHANGE_ADMIT and CHANGE_EVICT: `growth`; of CHANGE_COUNT: `count`, to be read with
   count_body_next(). Else `change` is what the change made of the table (NULL for
   CHANGE_FORGET_TRAINER). All borrowed until the callback returns. */
struct logged {
    uint64_t lsn;
    enum change_kind kind;
    int64_t time_us;
    const struct push_row *push;
    const struct growth_row *growth;
    const struct count_body *count;
    const struct registered *change;
};
/* Hand the rows after `after`, of those that the log has, to `row` in order; a status other than
   ST_OK from it ends the replay. Each row's checksum is compared again as it is read
   (ST_DATA_LOSS). `row` may not change the registry. */
MUST_CHECK enum status registry_replay(struct registry *r, uint64_t after,
                                       enum status (*row)(void *context, const struct logged *l,
                                                          struct error *e),
                                       void *context, struct error *e);

/* Delete rows up to and with `upto` from the front, a bounded amount a call; *more if some are
   left. The caller knows that every table that they name has two snapshots at or past them. A full
   disk is ST_EXHAUSTED and harmless. */
MUST_CHECK enum status registry_shorten(struct registry *r, uint64_t upto, bool *more,
                                        struct error *e);
