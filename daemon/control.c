/* SPDX-License-Identifier: Apache-2.0 */
/* The main thread's loop: its mail, its signals, and the way down. */
#include "daemon/control.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/http.h"
#include "daemon/listener.h"
#include "daemon/notify.h"
#include "daemon/recorder.h"
#include "daemon/server.h"
#include "daemon/services.h"
#include "daemon/thread.h"
#include "daemon/worker.h"

static void deliver_writer_stopped(struct mail *mail, void *control)
{
    struct control *c = control;

    (void)mail;
    writer_join(c->server->writer);
    event_base_loopbreak(c->base);
}

/* The last to leave; no worker is there any more. */
static void stop_writer(struct control *c)
{
    c->writer_stopped.deliver = deliver_writer_stopped;
    writer_stop(c->server->writer, &c->writer_stopped);
}

/* ---- The start ---- */

static void say_ready(const struct control *c)
{
    char line[2048];
    size_t n = 0;

    for (size_t i = 0; i < c->listener_count && n < sizeof line; i++)
        n += (size_t)snprintf(line + n, sizeof line - n, " listen=%s",
                              listener_address(c->listener[i]));
    if (c->http && n < sizeof line)
        snprintf(line + n, sizeof line - n, " http=%s", http_address(c->http));
    log_info("ready%s tables=%zu", line, c->catalog->count);
    notify_manager("READY=1");
    if (c->told)
        notify_manager("STATUS=");
}

/* The workers' threads, and then the doors. One that does not start ends the process on the spot:
   the others cannot be told to leave before they all run. */
static void open_doors(struct control *c, const struct catalog *catalog)
{
    struct server *server = c->server;
    enum status st = ST_OK;
    struct error e;

    c->catalog = catalog;
    recorder_take_catalog(c->recorder, catalog);
    for (unsigned i = 0; i < server->worker_count; i++)
        server->worker[i]->catalog = catalog;
    for (unsigned i = 0; i < server->worker_count && st == ST_OK; i++)
        st = worker_start(server->worker[i], &e);
    if (st != ST_OK) {
        log_error("cannot start error=%s", e.text);
        _exit(1);
    }
    c->open = true;
    for (size_t i = 0; i < c->listener_count; i++)
        listener_start(c->listener[i]);
}

void control_take_tables(struct mail *mail, void *control)
{
    const struct writer_opened *opened = (const struct writer_opened *)mail;
    struct control *c = control;

    if (opened->status == ST_OK && !c->stop_signals) {
        open_doors(c, opened->catalog);
    } else if (opened->status == ST_OK) {
        stop_writer(c);
    } else {
        writer_join(c->server->writer);
        c->failed = !c->stop_signals;
        if (c->failed)
            log_error("cannot start error=%s", opened->error.text);
        event_base_loopbreak(c->base);
    }
}

void control_take_fetched(struct mail *mail, void *control)
{
    struct control *c = control;

    (void)mail;
    if (c->stop_signals)
        return;
    atomic_store(&c->server->ready, true);
    health_changed(c->server);
    say_ready(c);
}

/* ---- Word from the writer ---- */

void control_take_catalog(struct mail *mail, void *control)
{
    const struct catalog_view *view = (const struct catalog_view *)mail;
    struct control *c = control;

    c->catalog = view->catalog;
    recorder_take_catalog(c->recorder, c->catalog);
    mailbox_send(view->reply, view->taken); /* from here on the view is gone */
}

void control_take_trouble(struct mail *mail, void *control)
{
    struct control *c = control;

    c->log_trouble = ((const struct writer_trouble *)mail)->error;
    c->log_troubled = true;
}

void control_close_listeners(struct control *c)
{
    for (size_t i = 0; i < c->listener_count; i++)
        listener_free(c->listener[i]);
    c->listener_count = 0;
}

/* ---- The way down ---- */

static void deliver_workers_left(struct mail *mail, void *control)
{
    struct control *c = control;

    (void)mail;
    pthread_join(c->joiner, NULL);
    stop_writer(c);
}

static void *join_workers(void *control)
{
    struct control *c = control;

    for (unsigned i = 0; i < c->server->worker_count; i++)
        worker_join(c->server->worker[i]);
    mailbox_send(&c->server->main, &c->workers_left);
    return NULL;
}

/* What is left when something does not come to its end. Everything that was answered is on disk. */
static void stop_at_once(struct control *c, const char *why)
{
    log_warn("ending at once reason=%s", why);
    recorder_tick(c->recorder);
    _exit(0);
}

static void drain(struct control *c)
{
    struct error e;

    notify_manager("STOPPING=1");
    atomic_store(&c->server->draining, true);
    if (!c->open) { /* the writer comes back to control_take_tables() */
        atomic_store(&c->server->opening.cancelled, true);
        return;
    }
    health_changed(c->server);
    control_close_listeners(c);
    for (unsigned i = 0; i < c->server->worker_count; i++)
        worker_drain(c->server->worker[i]);
    c->workers_left.deliver = deliver_workers_left;
    if (thread_start(&c->joiner, "embd-joiner", join_workers, c, &e) != ST_OK)
        stop_at_once(c, e.text);
}

static void on_stop(evutil_socket_t number, short what, void *control)
{
    const char *name = number == SIGINT ? "SIGINT" : "SIGTERM";
    struct control *c = control;

    (void)what;
    switch (++c->stop_signals) {
    case 1:
        log_info(c->open ? "stopping: calls under way may finish signal=%s"
                         : "stopping: the start is given up signal=%s",
                 name);
        drain(c);
        break;
    case 2:
        log_warn("stopping: calls under way are given up signal=%s", name);
        for (unsigned i = 0; c->open && i < c->server->worker_count; i++)
            worker_hurry(c->server->worker[i]);
        break;
    default:
        stop_at_once(c, name);
    }
}

/* ---- The rest of what happens ---- */

static void on_hangup(evutil_socket_t number, short what, void *control)
{
    (void)number, (void)what;
    control_reload(control);
}

static void on_mail(evutil_socket_t fd, short what, void *control)
{
    struct control *c = control;

    (void)fd, (void)what;
    mailbox_deliver(&c->server->main, c);
}

/* A long start is no hung one: the service manager waits on, for this many seconds a time. */
static void tell_opening(struct control *c)
{
    char text[128], lines[192];

    snprintf(lines, sizeof lines, "STATUS=%s\nEXTEND_TIMEOUT_USEC=30000000",
             opening_text(&c->server->opening, text, sizeof text));
    notify_manager(lines);
    c->told = true;
}

static void on_tick(evutil_socket_t fd, short what, void *control)
{
    struct control *c = control;

    (void)fd, (void)what;
    if (!atomic_load(&c->server->ready) && !c->stop_signals)
        tell_opening(c);
    recorder_tick(c->recorder);
}

enum status control_init(struct control *c, struct error *e)
{
    static const struct catalog none;
    const struct timeval second = {.tv_sec = 1};

    c->catalog = &none; /* until the tables are open */
    c->mail = event_new(c->base, c->server->main.fd, EV_READ | EV_PERSIST, on_mail, c);
    c->tick = event_new(c->base, -1, EV_PERSIST, on_tick, c);
    c->terminate = evsignal_new(c->base, SIGTERM, on_stop, c);
    c->interrupt = evsignal_new(c->base, SIGINT, on_stop, c);
    c->hangup = evsignal_new(c->base, SIGHUP, on_hangup, c);
    if (!c->mail || !c->tick || !c->terminate || !c->interrupt || !c->hangup ||
        event_add(c->mail, NULL) < 0 || event_add(c->tick, &second) < 0 ||
        event_add(c->terminate, NULL) < 0 || event_add(c->interrupt, NULL) < 0 ||
        event_add(c->hangup, NULL) < 0)
        return error_memory(e, "main loop");
    return ST_OK;
}

void control_done(struct control *c)
{
    struct event *event[] = {c->mail, c->tick, c->terminate, c->interrupt, c->hangup};

    for (size_t i = 0; i < sizeof event / sizeof *event; i++)
        if (event[i])
            event_free(event[i]);
    control_close_listeners(c);
}

void control_run(struct control *c)
{
    event_base_dispatch(c->base);
}
