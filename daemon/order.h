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
#include "daemon/table_options.h"
#include "storage/registry.h"
#include "table/catalog.h"

struct call;
struct worker;

enum order_kind { ORDER_LOAD, ORDER_UNLOAD, ORDER_POSITION, ORDER_FORGET_TRAINER };

struct order {
    struct mail mail;
    struct order *next;    /* in the writer's list */
    atomic_uint refs;      /* a call that waits for the answer holds one */
    atomic_bool cancelled; /* nobody waits any more: a load that has not been logged may stop */

    /* What is wanted */
    enum order_kind kind;
    char name[TABLE_NAME_MAX + 1]; /* of a table, or of a trainer */
    char *file;                    /* absolute */
    const char
        *relative; /* the part of `file` below import_dir, which it must not leave; or NULL */
    struct table_settings settings;
    bool replace, forget;
    bool reload; /* part of a reload of the configuration */
    enum registered_by by;

    /* Who waits; `worker` is NULL if nobody does. `answer` runs on that worker if the call is still
       there. */
    struct worker *worker;
    uint64_t call_id;
    void (*answer)(struct call *call, const struct order *o);

    /* The load: prepared by the writer, opened by a loader. */
    int fd;
    struct header_limits limits;
    struct file_identity identity;
    bool trusted;      /* the file was checked in full before … */
    uint64_t checksum; /* … and had this checksum */
    struct table *table;
    struct mailbox *back; /* the writer's */
    uint64_t start_us;

    /* The outcome */
    enum status status;
    struct error error;
    uint64_t lsn, version; /* the version of a table, or the sequence of a trainer */
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
/* Load the table: reads the whole file unless it is known. Any thread. Sets the outcome. */
void order_load(struct order *o);
/* The same on a thread of its own, which mails the order to o->back, delivered to `loaded`. */
MUST_CHECK enum status order_load_elsewhere(struct order *o,
                                            void (*loaded)(struct mail *mail, void *writer));
