/* SPDX-License-Identifier: Apache-2.0 */
/* log.db: the daemon's one log, and the registry of tables that its rows produce. Every change of a
   table's state or settings is a row of the log, numbered by lsn without gaps, written durably
   (SQLite, WAL, synchronous=FULL) before it is acted on. Owned by the writer thread (by the main
   thread until that one starts). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/status.h"

struct registry;

/* Kinds of log rows; the numbers are part of the file's format. */
enum change_kind {
    CHANGE_LOAD = 1,    /* a name is served from now on */
    CHANGE_REPLACE = 2, /* a served name has another file */
    CHANGE_UNLOAD = 3,  /* not served any more */
    CHANGE_FORGET = 4,  /* unloaded, and its files and settings are gone */
    CHANGE_OPTIONS = 5  /* settings of a served table */
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
/* All names ever registered and not forgotten, sorted; borrowed until the next change. */
size_t registry_list(const struct registry *r, const struct registered *const **list);
const struct registered *registry_find(const struct registry *r, const char *name); /* or NULL */

/* Log one change and update the registry, durably, in one transaction. A LOAD and a REPLACE take
   everything that `change` says of the table, OPTIONS only `by` and the options, UNLOAD and FORGET
   only `by`; the rest stays as registered. `lsn`, `time_us`, `served` and `generation` (of a LOAD
   one more than any earlier life of the name) are set in `change`. A LOAD of a served name is
   ST_EXISTS, every other change of a name that is not served ST_NOT_FOUND, except that FORGET also
   takes an unloaded one. After a failure nothing has changed, but see registry_trouble(). */
MUST_CHECK enum status registry_change(struct registry *r, enum change_kind kind,
                                       struct registered *change, struct error *e);

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
