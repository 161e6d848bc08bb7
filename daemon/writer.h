/* SPDX-License-Identifier: Apache-2.0 */
/* The writer: one thread that owns log.db and makes every change of the catalog, so that changes
   have one order. Its loop never waits for a file to be read: loaders do that (see order.h). */
#pragma once

#include "base/mailbox.h"
#include "base/status.h"

struct catalog;
struct config;
struct order;
struct server;
struct writer;

/* Told to the main thread (see control.h) when the log can no longer be written. */
struct writer_trouble {
    struct mail mail;
    struct error error;
};

/* Open log.db in the data folder. A damaged one is logged and named in writer_trouble, and the
   writer goes on without: configured tables are served, changes are refused. Main thread. */
MUST_CHECK enum status writer_new(struct writer **out, struct server *server, struct error *e);
/* Open all tables that are to be served, and make the first catalog. A table that was served before
   and cannot be now is served as damaged; one that never was is an error. Main thread, before
   writer_start(). */
MUST_CHECK enum status writer_open_tables(struct writer *w, struct error *e);
/* The catalog to begin with. Main thread, before writer_start(). */
const struct catalog *writer_catalog(const struct writer *w);
MUST_CHECK enum status writer_start(struct writer *w, struct error *e);

/* From any thread: hand an order over. It comes back by order_answer(). */
void writer_order(struct writer *w, struct order *o);
/* From any thread: bring the tables to what `config` says; the writer owns it from now on, unless
   there is no memory to tell it. */
MUST_CHECK enum status writer_reload(struct writer *w, struct config *config, struct error *e);

/* Finish what is under way and leave; `stopped` is mailed to the main thread as the last act. */
void writer_stop(struct writer *w, struct mail *stopped);
void writer_join(struct writer *w);
/* Close the log and every table. NULL and half-built are fine; no worker may be there any more. */
void writer_free(struct writer *w);
