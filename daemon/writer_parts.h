/* SPDX-License-Identifier: Apache-2.0 */
/* The writer from inside, for its own files: writer.c (thread and mail), loads.c (loads under
   way), serve.c (changes), publish.c (catalogs), reconcile.c (the configuration against the log),
   pushes.c and pushes_order.c (pushes), grow.c (ids that go), watch.c (files and log), fetch.c
   (memory after the start); for
   trainable tables start.c, revive.c, replay.c, saves.c, stops.c, shorten.c, origin.c,
   settings_change.c, counts.c; and for several tables at once group.c, group_save.c, group_load.c.
 */
#pragma once

#include <pthread.h>

#include "base/mailbox.h"
#include "daemon/order.h"
#include "daemon/publish.h"
#include "daemon/pushes.h"
#include "daemon/slots.h"
#include "daemon/writer.h"
#include "storage/registry.h"

struct config;
struct hold;
struct keep;
struct retired;
struct saving;
struct table_config;

struct writer {
    struct server *server;
    const struct config *config;   /* whose tables are wanted */
    struct config *reloaded;       /* the same if it came by writer_reload(): ours to free */
    struct registry *registry;     /* NULL: log.db is damaged */
    bool troubled;                 /* changes are refused; the sentence is … */
    struct writer_trouble trouble; /* … this, told to the main thread once */
    int import_fd;                 /* -1: calls cannot load */

    struct mailbox mailbox;
    pthread_t thread;
    bool serving; /* readers have the catalog: they are told of another one */
    bool stopping;
    struct writer_opened opened;
    struct mail stop;
    struct mail *stopped; /* what to mail when stopped */

    struct catalog *catalog; /* the newest */
    struct slots slots;
    struct publication *publications; /* shown and not taken by all yet, oldest first */
    struct retired *retired;          /* wait at their gates */

    struct order *waiting, *running;    /* loads: lists, oldest first … */
    struct order *held;                 /* … and those that are opened and wait for their group */
    unsigned running_count, call_loads; /* of running; of both lists, those that calls sent, and
                                           groups of loads */
    unsigned reload_loads;              /* of both lists, those of a reload … */
    unsigned reload_done, reload_failed, reload_unloaded; /* … and how it went so far */
    bool reloading;

    size_t watch_next; /* place in the catalog */

    /* After the start: tables that are served are brought into memory */
    bool fetching;
    uint64_t fetch_number; /* of the catalog … */
    size_t fetch_next;     /* … and the place in it */
    struct mail fetched;   /* to the main thread, once */

    struct pushes pushes;
    bool wants_rows;  /* some entry does */
    uint64_t fold_us; /* when lookups are counted next */

    /* Snapshots of trainable tables */
    struct keep *save_queue; /* wait for a saver, oldest first */
    struct saving *savings;  /* under way … */
    unsigned saving_count;
    struct hold *holds; /* tables that hold rows of the log though they are not served */
    struct order *group_saving, *group_saves; /* SaveGroup: under way, and those that wait */
    struct order *folder_jobs; /* in the folder of checkpoints: the first one is under way */
    struct order *labels; /* of checkpoints that are saved, restored or dropped; by group->next */
    uint64_t front;       /* rows up to this one may go */
    bool step_due;        /* some of them have to, also in a busy second */
    bool shorten_failed;  /* said once, until it works again */
};

/* Refuse all changes from now on, and tell the main thread. */
void writer_give_up(struct writer *w, const struct error *why);
/* ST_UNAVAILABLE and why, if no change can be logged. */
MUST_CHECK enum status writer_writable(struct writer *w, struct error *e);

/* Where the snapshots of a name are; NULL when out of memory. Yours (mem_free). */
char *writer_folder(const struct writer *w, const char *name);

/* loads.c: begin a load or a restore, which is refused at once or queued, and takes over the order;
   start those that wait as far as loaders are free; tell all to end. */
void loads_begin(struct writer *w, struct order *o);
void loads_next(struct writer *w);
void loads_stop(struct writer *w);
bool loads_busy(const struct writer *w, const char *name); /* one is under way */
/* Of a group: whether a load may begin, with its sentence in o->error; begin it, to come back by
   group_load_back(); and leave nothing of one that will not be served. */
MUST_CHECK enum status loads_check(struct writer *w, struct order *o);
void loads_add(struct writer *w, struct order *o);
void loads_undo(struct writer *w, struct order *o);
/* A load or a restore here and now, during start. Takes over the order; but if it fails and `keep`
   is set, the order is still the caller's, with the outcome. */
MUST_CHECK enum status loads_now(struct writer *w, struct order *o, bool keep, struct error *e);

/* serve.c: the changes. With success they take over the order. */
/* Serve the loaded table of an order: log it, publish it. */
MUST_CHECK enum status serve_table(struct writer *w, struct order *o, struct error *e);
/* The same for several orders of different names, as one change: one transaction of the log, one
   catalog. With success their tables are gone from them, they have lsn and version, and are still
   the caller's; `answer` is answered when every later lookup sees all of them. */
MUST_CHECK enum status serve_tables(struct writer *w, struct order **order, size_t count,
                                    struct order *answer, struct error *e);
/* Serve a name as damaged: lookups get `trouble`. Not logged. */
MUST_CHECK enum status serve_damaged(struct writer *w, const struct order *o,
                                     const struct error *trouble, struct error *e);
/* Serve a trainable table that was opened from its snapshots, at o->version. Not logged. */
MUST_CHECK enum status serve_revived(struct writer *w, struct order *o, struct entry **out,
                                     struct error *e);
/* Stop serving a name. */
MUST_CHECK enum status serve_stop(struct writer *w, struct order *o, struct error *e);

/* remember.c: files that were read in full, and need not be by the next start. */
void writer_remember(struct writer *w, const char *table, const struct file_identity *file,
                     uint64_t checksum);
void writer_remember_snapshot(struct writer *w, const char *table, const struct snapshot *s);

/* reconcile.c */
void reconcile_now(struct writer *w); /* a reload; ends in reconcile_report() */
void reconcile_report(struct writer *w);
/* Whether the configured table is served from the configuration, given what the log says. */
bool reconcile_wants(const struct table_config *t, const struct registered *r);
/* The name of a table that is served from the configuration in the log and is no longer in the
   configuration, from place `*i` of the list on; NULL if there is none. */
const char *reconcile_dropped(const struct writer *w, size_t *i);
/* An order to load the table. */
MUST_CHECK enum status reconcile_order(struct order **out, const char *name, const char *file,
                                       const struct table_settings *settings, enum registered_by by,
                                       const struct config *config, struct error *e);

/* start.c: open all tables and replay the log. The start ends with what it returns. */
MUST_CHECK enum status start_tables(struct writer *w, struct error *e);
/* revive.c: open a trainable table from its newest good snapshot; a table that has none is served
   as damaged. */
MUST_CHECK enum status revive_table(struct writer *w, const char *name, struct error *e);
/* The same without a log: as it was at its newest good snapshot, read-only. ST_NOT_FOUND if the
   name has no snapshots. */
MUST_CHECK enum status revive_without_log(struct writer *w, const struct table_config *t,
                                          struct error *e);
/* replay.c: bring the tables that were revived to where the log ends. */
MUST_CHECK enum status replay_log(struct writer *w, struct error *e);

/* stops.c: stop serving a name; a trainable table is saved before. Takes over the order unless it
   fails. */
MUST_CHECK enum status stop_begin(struct writer *w, struct order *o, struct error *e);
void stop_saved(struct writer *w, struct order *o); /* from saves.c: it is saved … */
void stop_refused(struct writer *w, struct order *o, enum status st,
                  const struct error *e); /* … or could not be */

/* origin.c: bring a trainable table to what the configuration says of it now: its FILE is compared
   with the one that it was made from, and its options are. `*replace` says that FILE is another one
   and is to be taken: then nothing has happened yet. ST_PRECONDITION if it is another one and is
   not. */
MUST_CHECK enum status origin_apply(struct writer *w, struct entry *entry,
                                    const struct registered *r, const struct table_config *t,
                                    bool *replace, struct error *e);
/* The first half of it: only compare. */
MUST_CHECK enum status origin_check(struct writer *w, const struct registered *r,
                                    const struct table_config *t, bool *replace, struct error *e);

/* settings_change.c: other options of a trainable table, of which `t` says what they are and
   `file` what its file says (NULL: the file is gone). May go on as a load of the reload. */
MUST_CHECK enum status settings_change(struct writer *w, struct entry *entry,
                                       const struct table_config *t,
                                       const struct optimizer_settings *file, struct error *e);

/* grow.c: rows are given up, in tables that want them, and once a second where some are old. */
void grow_make_room(struct writer *w);
void grow_tick(struct writer *w);
/* Wake those who wait at the table's gate. */
void writer_rouse(struct writer *w, struct entry *entry);

/* saves.c */
/* Whether a table (NULL: there is none of that name) can be saved. */
MUST_CHECK enum status saves_check(const struct entry *entry, const char *name, struct error *e);
/* Save the table of an order. Takes over the order unless it fails. */
MUST_CHECK enum status saves_order(struct writer *w, struct order *o, struct error *e);
/* Save what the table has in both lineages, then go on with the order: unload or restore it. Pushes
   are refused from now on. */
void saves_before(struct writer *w, struct entry *entry, struct order *o, const char *refusal);
/* Save a table here and now; during start. */
MUST_CHECK enum status saves_now(struct writer *w, struct entry *entry, struct error *e);
bool saves_busy(const struct keep *k);              /* one is under way; NULL is fine */
void saves_leave(struct writer *w, struct keep *k); /* the entry leaves the catalog; NULL is fine */
void saves_queue(struct writer *w, struct keep *k); /* save it in its turn */
void saves_next(struct writer *w);                  /* start those that wait */
/* saves_tick.c: once a second, what should be saved by itself. */
void saves_tick(struct writer *w);
void saves_stop(struct writer *w); /* the daemon stops */

/* For group_save.c: no other save of the table begins until saves_release(), after which what waits
   goes on (and the entry may be gone). The instant of one is now, and a saver takes it when one is
   free; it ends in group_save_back(), or in saves_undo() as long as saves_next() was not called. */
void saves_hold(struct writer *w, struct keep *k, struct order *group);
void saves_release(struct writer *w, struct keep *k);
MUST_CHECK enum status saves_instant(struct writer *w, struct keep *k, uint64_t lsn,
                                     struct error *e);
void saves_undo(struct writer *w, struct keep *k);

/* group.c: orders about checkpoints and groups. */
/* ST_ABORTED if somebody else is at work on the checkpoint of that label; if not, nobody is until
   label_leave(), which does nothing otherwise. */
MUST_CHECK enum status label_take(struct writer *w, struct order *o, struct error *e);
void label_leave(struct writer *w, struct order *o);
/* Have `run` do something in the folder of checkpoints on a thread of its own, one after the other,
   and then `done` by the writer. `run` sets the order's status and error. */
void folder_job(struct writer *w, struct order *o, void (*run)(struct order *o),
                void (*done)(struct writer *w, struct order *o));
void group_list(struct writer *w, struct order *o); /* ORDER_GROUPS; takes over the order */
void group_drop(struct writer *w, struct order *o); /* ORDER_DROP_GROUP; the same */
void groups_stop(struct writer *w);                 /* the daemon stops */
/* group_save.c: ORDER_SAVE_GROUP; takes over the order. */
void group_save(struct writer *w, struct order *o);
/* From saves.c: a member is saved, or could not be. */
void group_save_back(struct writer *w, struct order *group, const struct keep *k, enum status st,
                     const struct snapshot *s, const struct error *e);
void group_saves_next(struct writer *w); /* go on with the one under way, or begin the next */
void group_saves_stop(struct writer *w);
/* group_load.c: ORDER_RESTORE_GROUP and ORDER_LOAD_GROUP; take over the order. */
void group_restore(struct writer *w, struct order *o);
void group_load(struct writer *w, struct order *o);
/* From loads.c: a member has come back from its loader with o->status. */
void group_load_back(struct writer *w, struct order *o);

/* counts.c: counts of lookups. What the workers have counted of a table, or of all, is logged and
   applied; counts_tick() does so every few seconds. */
void counts_fold(struct writer *w, struct entry *entry);
void counts_fold_all(struct writer *w);
void counts_tick(struct writer *w);

/* shorten.c: which rows of the log are still needed. */
/* A name that is not served, or damaged, needs the rows from `lsn` on. */
MUST_CHECK enum status holds_add(struct writer *w, const char *name, uint64_t generation,
                                 uint64_t version, uint64_t lsn, struct error *e);
void holds_saved(struct writer *w, const struct keep *k); /* the name has a snapshot more */
void holds_forget(struct writer *w, const char *name);
void holds_done(struct writer *w);
/* The last row that makes a table hold too much of the log, 0: the log is not too large. */
uint64_t log_hold_most(const struct writer *w);
/* Once a second: find out which rows may go. */
void log_front(struct writer *w);
/* Once a turn of the writer's loop: let some of them go, if there was nothing else to do, or it
   must be. True if there are more. */
bool log_turn(struct writer *w, bool idle);

/* fetch.c: once a turn of the writer's loop, while w->fetching: bring a few megabytes of the tables
   into memory. True if there are more. Afterwards the main thread is told. */
void fetch_begin(struct writer *w);
bool fetch_turn(struct writer *w);

/* watch.c: once a second. */
void watch_files(struct writer *w);
void watch_log(struct writer *w);
void writer_measure(struct writer *w); /* how the log stands, for those who ask */
/* Move the log into its database, if there is nothing else to do or it has grown large. */
void writer_checkpoint(struct writer *w, bool idle);
