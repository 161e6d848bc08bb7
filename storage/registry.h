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
    char *file;       /* absolute path */
    char *options;    /* JSON object of the table's options, keys sorted */
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
   against everything that can be checked: SQLite's quick_check, schema version, lsn gaps, the checksum
   of each row. Damage is ST_DATA_LOSS with a sentence that names the file and what is wrong; nothing is
   repaired or replaced. Another process that holds it is ST_UNAVAILABLE, a newer schema
   ST_PRECONDITION. */
MUST_CHECK enum status registry_open(struct registry **out, const char *data_dir, struct error *e);
void registry_close(struct registry *r);

uint64_t registry_lsn(const struct registry *r); /* of the last change, 0 if none */
/* All names ever registered and not forgotten, sorted; borrowed until the next change. */
size_t registry_list(const struct registry *r, const struct registered *const **list);
const struct registered *registry_find(const struct registry *r, const char *name); /* or NULL */

/* Log one change and update the registry, durably, in one transaction. `lsn`, `time_us` and for a LOAD
   `generation` (one more than any earlier life of the name) are set in `change`. After a failure nothing
   has changed, but see registry_trouble(). */
MUST_CHECK enum status registry_change(struct registry *r, enum change_kind kind,
                                       struct registered *change, struct error *e);

/* Files that were checked in full before: true, and their checksum, if the identity is as it was. */
bool registry_file_known(struct registry *r, const struct file_identity *id, uint64_t *checksum);
MUST_CHECK enum status registry_file_remember(struct registry *r, const struct file_identity *id,
                                              uint64_t checksum, struct error *e);

/* ST_OK while the log can be written. Compares the files on disk with those that are open (a log that
   was deleted or replaced under us would take writes and keep nothing), and remembers failed writes:
   from then on every change is refused with ST_UNAVAILABLE and this sentence, until a restart. A full
   disk is no such failure. */
MUST_CHECK enum status registry_trouble(struct registry *r, struct error *e);
