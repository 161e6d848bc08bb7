/* SPDX-License-Identifier: Apache-2.0 */
/* The writer: one thread that owns log.db and makes every change of the catalog, so that changes
   have one order. Its loop never waits for a file to be read: loaders do that (see order.h). */
#pragma once

#include "base/mailbox.h"
#include "base/status.h"

struct catalog;
struct config;
struct order;
struct push;
struct server;
struct writer;

/* Told to the main thread (see control.h) when the tables are open, or cannot be. */
struct writer_opened {
    struct mail mail;
    enum status status;
    struct error error;
    const struct catalog *catalog; /* the one to begin with */
};

/* Told to the main thread (see control.h) when the log can no longer be written. */
struct writer_trouble {
    struct mail mail;
    struct error error;
};

/* Main thread. */
MUST_CHECK enum status writer_new(struct writer **out, struct server *server, struct error *e);
/* Start the thread. It opens log.db and all tables that are to be served, replays the log, makes
   the first catalog, and tells the main thread by writer_opened. If that failed it has ended (then
   writer_join()), else it serves.
   A damaged log.db is logged and named in writer_trouble, and the writer goes on without:
   configured tables are served, changes are refused. A table that was served before and cannot be
   now is served as damaged; one that never was is an error. With server->opening.cancelled set,
   what is under way ends with ST_CANCELLED. */
MUST_CHECK enum status writer_start(struct writer *w, struct error *e);

/* From any thread: hand an order over. It comes back by order_answer(). */
void writer_order(struct writer *w, struct order *o);
/* From a worker: hand a push over, with p->worker, call_id and answer set. It comes back by
   push_answer(), whatever becomes of the call. */
void writer_push(struct writer *w, struct push *p);
/* From any thread: bring the tables to what `config` says; the writer owns it from now on, unless
   there is no memory to tell it. */
MUST_CHECK enum status writer_reload(struct writer *w, struct config *config, struct error *e);

/* Finish what is under way and leave; `stopped` is mailed to the main thread as the last act. */
void writer_stop(struct writer *w, struct mail *stopped);
void writer_join(struct writer *w);
/* Close the log and every table. NULL and half-built are fine; no worker may be there any more. */
void writer_free(struct writer *w);
