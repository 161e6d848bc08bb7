/* SPDX-License-Identifier: Apache-2.0 */
/* The main thread while the daemon runs: signals, listeners, statistics, HTTP. Its mailbox is
   server->main, whose mail is delivered to the one struct control. */
#pragma once

#include <event2/event.h>
#include <stdbool.h>

#include "base/mailbox.h"
#include "base/status.h"
#include "daemon/publish.h"
#include "daemon/writer.h"

struct catalog;
struct command_line;
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
};

/* Mail for the main thread. */
void control_take_catalog(struct mail *mail, void *control); /* a struct catalog_view */
void control_take_trouble(struct mail *mail, void *control); /* a struct writer_trouble */
