/* SPDX-License-Identifier: Apache-2.0 */
/* The main thread while the daemon runs: signals, listeners, statistics, HTTP. Its mailbox is
   server->main, whose mail is delivered to the one struct control.

     start: tables are opened, HTTP answers → open: lookups are answered while tables are brought
       into memory → ready → SIGTERM or SIGINT: draining
       → workers have left → writer has stopped → end

   A signal during the start ends it as soon as may be. A second signal ends the grace time of calls
   under way, a third one the process. */
#pragma once

#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/mailbox.h"
#include "base/status.h"
#include "daemon/publish.h"
#include "daemon/writer.h"

struct catalog;
struct command_line;
struct http;
struct listener;
struct recorder;
struct server;

struct control {
    struct server *server;
    const struct command_line *command_line; /* for reading the configuration again */
    struct event_base *base;
    const struct catalog *catalog; /* taken between two events */
    struct recorder *recorder;     /* statistics */
    bool log_troubled;             /* log.db cannot be written, because of … */
    struct error log_trouble;
    struct listener **listener; /* freed when draining begins */
    size_t listener_count;
    struct http *http; /* NULL: none */
    bool open;         /* the workers run */
    bool failed;       /* the daemon did not start */
    bool told;         /* the service manager has heard how the start goes */

    struct event *mail, *tick, *terminate, *interrupt, *hangup;
    pthread_t joiner;      /* waits for the workers, so that this thread need not */
    unsigned stop_signals; /* one drains, the second ends the grace time, the third everything */
    struct mail workers_left, writer_stopped;
};

/* Make the events of the main loop. */
MUST_CHECK enum status control_init(struct control *c, struct error *e);
void control_done(struct control *c); /* fine with a half-made one */
/* Run until the daemon has been told to stop and everything under way is done. */
void control_run(struct control *c);
/* Close the listeners. */
void control_close_listeners(struct control *c);

/* Mail for the main thread. */
void control_take_tables(struct mail *mail, void *control);  /* a struct writer_opened */
void control_take_fetched(struct mail *mail, void *control); /* they are in memory, too */
void control_take_catalog(struct mail *mail, void *control); /* a struct catalog_view */
void control_take_trouble(struct mail *mail, void *control); /* a struct writer_trouble */

/* reload.c: read the configuration again, as SIGHUP asks. */
void control_reload(struct control *c);
