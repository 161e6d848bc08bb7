/* SPDX-License-Identifier: Apache-2.0 */
/* The writer from inside, for its own files: writer.c (thread and mail), loads.c (loads under
   way), serve.c (changes), publish.c (catalogs), reconcile.c (the configuration against the log),
   pushes.c and pushes_order.c (pushes), watch.c (files and log). */
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
struct retired;

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

    struct order *waiting, *running;    /* loads: lists, oldest first */
    unsigned running_count, call_loads; /* of running; of both lists, those that calls sent */
    unsigned reload_loads;              /* of both lists, those of a reload … */
    unsigned reload_done, reload_failed, reload_unloaded; /* … and how it went so far */
    bool reloading;

    size_t watch_next; /* place in the catalog */

    struct pushes pushes;
};

/* Refuse all changes from now on, and tell the main thread. */
void writer_give_up(struct writer *w, const struct error *why);
/* ST_UNAVAILABLE and why, if no change can be logged. */
MUST_CHECK enum status writer_writable(struct writer *w, struct error *e);

/* loads.c: begin a load, which is refused at once or queued, and takes over the order; start those
   that wait as far as loaders are free; tell all to end. */
void loads_begin(struct writer *w, struct order *o);
void loads_next(struct writer *w);
void loads_stop(struct writer *w);

/* serve.c: the changes. With success they take over the order. */
/* Serve the loaded table of an order: log it, publish it. */
MUST_CHECK enum status serve_table(struct writer *w, struct order *o, struct error *e);
/* Serve a name as damaged: lookups get `trouble`. Not logged. */
MUST_CHECK enum status serve_damaged(struct writer *w, const struct order *o,
                                     const struct error *trouble, struct error *e);
/* Stop serving a name. */
MUST_CHECK enum status serve_stop(struct writer *w, struct order *o, struct error *e);

/* reconcile.c */
MUST_CHECK enum status reconcile_at_start(struct writer *w, struct error *e);
void reconcile_now(struct writer *w); /* a reload; ends in reconcile_report() */
void reconcile_report(struct writer *w);

/* watch.c: once a second. */
void watch_files(struct writer *w);
void watch_log(struct writer *w);
/* Move the log into its database, if there is nothing else to do or it has grown large. */
void writer_checkpoint(struct writer *w, bool idle);
