/* SPDX-License-Identifier: Apache-2.0 */
/* embd: start as a checklist, run, stop in the reverse order. Exit status 2 for wrong usage or
   configuration, 1 for any other failure to start. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/region.h"
#include "base/text.h"
#include "daemon/command_line.h"
#include "daemon/config.h"
#include "daemon/control.h"
#include "daemon/counters.h"
#include "daemon/data_folder.h"
#include "daemon/http.h"
#include "daemon/listener.h"
#include "daemon/process.h"
#include "daemon/recorder.h"
#include "daemon/server.h"
#include "daemon/services.h"
#include "daemon/worker.h"
#include "kernels/kernels.h"

#define FILES_BESIDE 256 /* descriptors for everything that is not a connection */

struct daemon {
    struct server server;
    struct control control;
    int lock; /* of the data folder */
};

static void raise_files(const struct config *config)
{
    uint64_t files = process_raise_files();

    if (files < config->max_connections + FILES_BESIDE)
        log_warn("there are fewer file descriptors than connections may be open "
                 "descriptors=%llu max_connections=%llu",
                 (unsigned long long)files, (unsigned long long)config->max_connections);
}

/* The process: what any of its threads relies on. */
static enum status start_process(struct daemon *d, struct error *e)
{
    const struct config *config = d->server.config;
    enum status st;

    region_init();
    signal(SIGPIPE, SIG_IGN);
    umask(0027);
    raise_files(config);
    st = kernels_init(strcmp(config->isa, "auto") ? config->isa : NULL, e);
    if (st != ST_OK)
        return st;
    st = data_folder_open(&d->lock, config->data_dir, e);
    if (st != ST_OK)
        return st;
    st = mailbox_init(&d->server.main, e);
    if (st != ST_OK)
        return st;
    d->control.base = event_base_new();
    return d->control.base ? ST_OK : error_memory(e, "main loop");
}

/* Bind every address, so that one that is taken is known before tables are read. */
static enum status bind_addresses(struct daemon *d, struct error *e)
{
    const struct config *config = d->server.config;
    struct control *c = &d->control;
    enum status st = ST_OK;

    c->listener = mem_zero(config->listen.count, sizeof *c->listener);
    if (!c->listener)
        return error_memory(e, "listeners");
    for (size_t i = 0; i < config->listen.count && st == ST_OK; i++) {
        st = listener_new(&c->listener[i], &d->server, c->base, config->listen.text[i], e);
        if (st == ST_OK)
            c->listener_count++;
    }
    if (st == ST_OK && *config->http)
        st = http_new(&c->http, c, config->http, e);
    return st;
}

/* The workers, not running yet. */
static enum status make_workers(struct daemon *d, struct error *e)
{
    struct server *server = &d->server;
    unsigned count = config_workers(server->config),
             slots = SLOT_FIRST + (unsigned)server->config->max_tables;
    enum status st = ST_OK;

    server->worker = mem_zero(count, sizeof *server->worker);
    if (!server->worker)
        return error_memory(e, "workers");
    for (unsigned i = 0; i < count && st == ST_OK; i++) {
        st = worker_new(&server->worker[i], server, i, e);
        if (st != ST_OK)
            break;
        server->worker_count++;
        st = counters_new(&server->worker[i]->counters, slots, e);
    }
    return st;
}

/* From here on the main loop hears of the rest: see control_take_tables(). */
static enum status begin_opening(struct daemon *d, struct error *e)
{
    struct control *c = &d->control;
    enum status st = writer_new(&d->server.writer, &d->server, e);

    if (st == ST_OK)
        st = recorder_new(&c->recorder, &d->server, e);
    if (st == ST_OK)
        st = control_init(c, e);
    if (st == ST_OK)
        st = writer_start(d->server.writer, e);
    if (st == ST_OK && c->http) {
        http_start(c->http);
        log_info("opening the tables http=%s", http_address(c->http));
    }
    return st;
}

static enum status start(struct daemon *d, struct error *e)
{
    enum status st;

    if ((st = start_process(d, e)) != ST_OK || (st = bind_addresses(d, e)) != ST_OK ||
        (st = make_workers(d, e)) != ST_OK)
        return st;
    return begin_opening(d, e);
}

/* What start() made, as far as it came, in the reverse order. No other thread runs any more. */
static void take_down(struct daemon *d)
{
    struct server *server = &d->server;
    sigset_t late;

    /* A second SIGTERM must not meet the default action while the first one is being obeyed. */
    sigemptyset(&late);
    sigaddset(&late, SIGTERM);
    sigaddset(&late, SIGINT);
    sigaddset(&late, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &late, NULL);
    control_done(&d->control);
    http_free(d->control.http);
    recorder_free(d->control.recorder);
    for (unsigned i = 0; i < server->worker_count; i++) {
        struct counters *counters = server->worker[i]->counters;

        worker_free(server->worker[i]);
        counters_free(counters);
    }
    writer_free(server->writer);
    mem_free(server->worker);
    mem_free(d->control.listener);
    if (d->control.base)
        event_base_free(d->control.base);
    if (server->main.fd >= 0)
        mailbox_done(&server->main);
    if (d->lock >= 0)
        close(d->lock);
}

static int run(const struct command_line *command, const struct config *config)
{
    struct daemon d = {.lock = -1,
                       .server = {.config = config,
                                  .rpcs = services_rpcs(config),
                                  .unknown = &rpc_unknown,
                                  .main.fd = -1,
                                  .caches.most = config->max_cache_bytes,
                                  .start_us = clock_now_us()},
                       .control = {.server = &d.server, .command_line = command}};
    struct error e;
    int code = 0;

    config_limits(config, &d.server.limits);
    log_set_level(config->log_level);
    log_info("starting version=%s pid=%ld data_dir=%s workers=%u", PACKAGE_VERSION, (long)getpid(),
             QUOTE(config->data_dir), config_workers(config));
    if (start(&d, &e) == ST_OK) {
        control_run(&d.control);
        code = d.control.failed;
    } else {
        log_error("cannot start error=%s", e.text);
        code = 1;
    }
    take_down(&d);
    if (code == 0)
        log_info("stopped");
    return code;
}

static int configured(const struct command_line *command)
{
    struct config *config;
    struct error e;
    int code = 0;

    if (command_line_config(command, &config, &e) != ST_OK) {
        fprintf(stderr, "%s\n", e.text);
        return 2;
    }
    if (command->command == COMMAND_CHECK)
        puts("the configuration is good");
    else
        code = run(command, config);
    config_free(config);
    return code;
}

int main(int argc, char **argv)
{
    struct command_line command;
    struct error e;
    int code = 0;

    if (command_line_parse(&command, argc, argv, &e) != ST_OK) {
        fprintf(stderr, "embd: %s\nembd --help tells more.\n", e.text);
        return 2;
    }
    switch (command.command) {
    case COMMAND_HELP:
        command_line_help();
        break;
    case COMMAND_VERSION:
        puts("embd " PACKAGE_VERSION);
        break;
    default:
        code = configured(&command);
    }
    command_line_done(&command);
    return code;
}
