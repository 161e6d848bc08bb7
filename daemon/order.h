/* SPDX-License-Identifier: Apache-2.0 */
/* What somebody wants done to the served tables: a call, or the configuration. An order goes to the
   writer by mail, from there to a loader thread and back, and at last to the worker that sent it.
   It is whoever holds it who may touch it, save `cancelled`.

     worker ── writer_order() ──> writer ── loader ──> writer ── answer ──> worker */
#pragma once

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "base/status.h"
#include "daemon/keep.h"
#include "daemon/opening.h"
#include "daemon/table_options.h"
#include "storage/registry.h"
#include "table/catalog.h"

struct call;
struct checkpoint_table;
struct creation;
struct group;
struct worker;

enum order_kind {
    ORDER_LOAD,
    ORDER_UNLOAD,
    ORDER_SAVE,
    ORDER_RESTORE,
    ORDER_POSITION,
    ORDER_FORGET_TRAINER,
    ORDER_SAVE_GROUP,
    ORDER_RESTORE_GROUP,
    ORDER_LOAD_GROUP,
    ORDER_GROUPS,
    ORDER_DROP_GROUP
};

struct order {
    struct mail mail;
    struct order *next;    /* in the writer's list */
    atomic_uint refs;      /* a call that waits for the answer holds one */
    atomic_bool cancelled; /* nobody waits any more: a load that has not been logged may stop */

    /* What is wanted */
    enum order_kind kind;
    char name[TABLE_NAME_MAX + 1]; /* of a table or a trainer, or a checkpoint's label */
    char *file;                    /* absolute */
    const char
        *relative; /* the part of `file` below import_dir, which it must not leave; or NULL */
    struct creation *creation; /* ORDER_LOAD of a file that is yet to be made (Create), … */
    char *path;                /* … here, … */
    uint64_t most;             /* … with at most so many bytes of parameters; else NULL */
    struct table_settings settings;
    bool replace, forget;
    bool reload; /* part of a reload of the configuration */
    enum registered_by by;
    uint64_t at; /* ORDER_RESTORE: version of the snapshot, 0: the newest */
    bool resets; /* ORDER_RESTORE: of the newest, with other settings; its state begins anew … */
    bool keeps;  /* … unless the optimizer is the same: then it stays */
    struct group *group;                   /* ORDER_SAVE_GROUP to ORDER_DROP_GROUP: see group.h */
    struct order *whole;                   /* of the group that this load is part of; or NULL */
    const struct checkpoint_table *source; /* ORDER_RESTORE: out of a checkpoint, … */
    char *source_folder;                   /* … from the table's folder in it */

    /* Who waits; `worker` is NULL if nobody does. `answer` runs on that worker if the call is still
       there. */
    struct worker *worker;
    uint64_t call_id;
    void (*answer)(struct call *call, const struct order *o);

    /* The load: prepared by the writer, opened by a loader. A table that will be trained goes
       through its first snapshot, for which the writer says beforehand where it belongs. */
    char *folder;          /* of the name's snapshots; NULL: whatever it is, it is not trained */
    uint64_t generation;   /* of the life that this load begins or goes on with */
    bool replaces;         /* a served table, which … */
    uint64_t old;          /* … is at this version and takes no pushes meanwhile, … */
    uint64_t since;        /* … and whose content began at this one */
    struct snapshot first; /* the first of the new content */
    struct training *training; /* of `table`; NULL: it is read-only */
    uint64_t header_hash;      /* of the file, which … */
    bool opened;               /* … is good, whatever became of the load */
    int fd;
    struct header_limits limits;
    struct file_identity identity;
    bool trusted;      /* the file was checked in full before … */
    uint64_t checksum; /* … and had this checksum */
    struct table *table;
    struct mailbox *back;          /* the writer's */
    const struct opening *opening; /* the start, which may be given up; NULL: it is over */
    bool holds; /* the writer's: the served table takes no pushes until this load is over */
    uint64_t start_us;

    /* The outcome */
    enum status status;
    struct error error;
    uint64_t lsn, version; /* the version of a table, or the sequence of a trainer */
    struct kept saved;     /* ORDER_SAVE */
};
static_assert(TRAINER_MAX <= TABLE_NAME_MAX, "a trainer's name has room");

/* An order with one reference. `file` is copied and may be NULL (ORDER_UNLOAD). */
MUST_CHECK enum status order_new(struct order **out, enum order_kind kind, const char *name,
                                 const char *file, struct error *e);
struct order *order_ref(struct order *o);
void order_unref(struct order *o); /* closes what the order still holds; NULL is fine */

/* Set the outcome and send the order back to who waits. The caller's reference goes with it. */
void order_answer(struct order *o, enum status st);

/* Open the table's file and look who it is, without reading it; on the writer's thread, where the
   registry is known (NULL if there is none). `import_fd` is the open import_dir, or -1. */
MUST_CHECK enum status order_prepare(struct order *o, struct registry *registry, int import_fd);
/* Load the table: reads the whole file unless it is known, and writes its first snapshot if it is
   to be trained. Any thread. Sets the outcome. */
void order_load(struct order *o);
/* The load will not be logged: its first snapshot goes. ST_OK if there is none. */
MUST_CHECK enum status order_withdraw(struct order *o, struct error *e);

/* order_train.c, parts of order_load(): open the snapshot that is to be restored, the table's own
   or one of a checkpoint; and make the open table one that can be trained, by way of its first
   snapshot, if an optimizer is named anywhere. */
MUST_CHECK enum status order_open_snapshot(struct order *o);
MUST_CHECK enum status order_open_source(struct order *o);
MUST_CHECK enum status order_train(struct order *o);
/* Whether nobody waits any more for the order, or for the group that it is part of. */
bool order_cancelled(const struct order *o);
/* As `progress` of whatever takes time: false once nobody wants it any more. */
bool order_goes_on(void *order, double done);
/* The same on a thread of its own, which mails the order to o->back, delivered to `loaded`. */
MUST_CHECK enum status order_load_elsewhere(struct order *o,
                                            void (*loaded)(struct mail *mail, void *writer));
