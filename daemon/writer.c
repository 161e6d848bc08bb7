/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's thread and mail. writer_new() to writer_start() belong to the main thread, as does
   what comes after writer_join(). */
#include "daemon/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "daemon/config.h"
#include "daemon/control.h"
#include "daemon/keep.h"
#include "daemon/push.h"
#include "daemon/refusals.h"
#include "daemon/server.h"
#include "daemon/thread.h"
#include "daemon/writer_parts.h"
#include "storage/checkpoint.h"

#define TICK_US 1000000 /* files and log are looked at */
#define GATE_US 1000    /* gates of retired entries are */
#define REFUSALS 1000   /* trainers and reasons that are counted apart */

static enum status open_log(struct writer *w, struct error *e)
{
    enum status st = registry_open(&w->registry, w->config->data_dir, e);

    if (st == ST_OK)
        registry_set_max_trainers(w->registry, (size_t)w->config->max_trainers);
    if (st != ST_DATA_LOSS)
        return st;
    /* Lookups need no log. What it held is not ours to throw away: a person decides. */
    writer_give_up(w, e);
    return ST_OK;
}

enum status writer_new(struct writer **out, struct server *server, struct error *e)
{
    struct writer *w = mem_zero(1, sizeof *w);
    const char *import_dir = server->config->import_dir;
    enum status st;

    if (!w)
        return error_memory(e, "writer");
    w->server = server;
    w->config = server->config;
    w->import_fd = w->mailbox.fd = -1;
    st = mailbox_init(&w->mailbox, e);
    if (st != ST_OK)
        goto out;
    st = slots_init(&w->slots, (unsigned)w->config->max_tables, e);
    if (st == ST_OK)
        st = catalog_new(&w->catalog, e);
    if (st == ST_OK)
        st = pushes_init(&w->pushes, e);
    if (st == ST_OK)
        st = refusals_new(&server->refusals, REFUSALS, e);
    if (st != ST_OK)
        goto out;
    if (*import_dir) {
        w->import_fd = open(import_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (w->import_fd < 0) {
            st = error_errno(e, errno, "cannot open import_dir %s", QUOTE(import_dir));
            goto out;
        }
    }
    *out = w;
    w = NULL;
out:
    writer_free(w);
    return st;
}

char *writer_folder(const struct writer *w, const char *name)
{
    const char *data_dir = w->server->config->data_dir;
    size_t size = strlen(data_dir) + sizeof "/tables/" + strlen(name);
    char *path = mem_alloc(size);

    if (path)
        snprintf(path, size, "%s/tables/%s", data_dir, name);
    return path;
}

void writer_give_up(struct writer *w, const struct error *why)
{
    if (w->troubled)
        return;
    log_error("nothing can be pushed, loaded or unloaded until the log is repaired error=%s",
              why->text);
    w->troubled = true;
    w->trouble.error = *why;
    w->trouble.mail.deliver = control_take_trouble;
    mailbox_send(&w->server->main, &w->trouble.mail);
}

enum status writer_writable(struct writer *w, struct error *e)
{
    if (!w->troubled && registry_trouble(w->registry, e) != ST_OK)
        writer_give_up(w, e);
    return w->troubled ? error_set(e, ST_UNAVAILABLE, "%s", w->trouble.error.text) : ST_OK;
}

static void deliver_order(struct mail *mail, void *receiver)
{
    struct order *o = (struct order *)mail;
    struct writer *w = receiver;
    enum status st = ST_OK;

    if (w->stopping) {
        order_answer(o, error_set(&o->error, ST_UNAVAILABLE, "the daemon is stopping"));
        return;
    }
    pushes_finish(w); /* those that came before it */
    switch (o->kind) {
    case ORDER_LOAD:
    case ORDER_RESTORE:
        loads_begin(w, o);
        break;
    case ORDER_UNLOAD:
        st = stop_begin(w, o, &o->error);
        break;
    case ORDER_SAVE:
        st = saves_order(w, o, &o->error);
        break;
    case ORDER_POSITION:
        pushes_position(w, o);
        break;
    case ORDER_FORGET_TRAINER:
        pushes_forget(w, o);
        break;
    case ORDER_SAVE_GROUP:
        group_save(w, o);
        break;
    case ORDER_RESTORE_GROUP:
        group_restore(w, o);
        break;
    case ORDER_LOAD_GROUP:
        group_load(w, o);
        break;
    case ORDER_GROUPS:
        group_list(w, o);
        break;
    case ORDER_DROP_GROUP:
        group_drop(w, o);
        break;
    }
    if (st != ST_OK)
        order_answer(o, st);
}

void writer_order(struct writer *w, struct order *o)
{
    o->mail.deliver = deliver_order;
    mailbox_send(&w->mailbox, &o->mail);
}

static void deliver_push(struct mail *mail, void *receiver)
{
    struct push *p = (struct push *)mail;
    struct writer *w = receiver;

    if (!w->stopping) {
        pushes_take(w, p);
        return;
    }
    p->status = error_set(&p->error, ST_UNAVAILABLE, "the daemon is stopping");
    push_answer(p);
}

void writer_push(struct writer *w, struct push *p)
{
    p->mail.deliver = deliver_push;
    mailbox_send(&w->mailbox, &p->mail);
}

struct reload {
    struct mail mail;
    struct config *config;
};

static void deliver_reload(struct mail *mail, void *receiver)
{
    struct reload *r = (struct reload *)mail;
    struct writer *w = receiver;

    config_free(w->reloaded);
    w->config = w->reloaded = r->config;
    mem_free(r);
    if (!w->stopping)
        reconcile_now(w);
}

enum status writer_reload(struct writer *w, struct config *config, struct error *e)
{
    struct reload *r = mem_alloc(sizeof *r);

    if (!r)
        return error_memory(e, "reload");
    *r = (struct reload){.mail.deliver = deliver_reload, .config = config};
    mailbox_send(&w->mailbox, &r->mail);
    return ST_OK;
}

static void deliver_stop(struct mail *mail, void *receiver)
{
    struct writer *w = receiver;

    (void)mail;
    pushes_finish(w);
    counts_fold_all(w);
    w->stopping = true;
    loads_stop(w);
    groups_stop(w);
    saves_stop(w);
    loads_next(w); /* those that waited for a group */
}

/* What a crash left of checkpoints only takes room, or is missed when it is asked for. */
static void sweep(const struct writer *w)
{
    struct error e;

    if (checkpoint_sweep(w->config->data_dir, &e) != ST_OK)
        log_warn("the folder of checkpoints was not tidied up error=%s", e.text);
}

/* The start; see writer_start(). */
static bool open_all(struct writer *w)
{
    struct error *e = &w->opened.error;
    enum status st = open_log(w, e);

    sweep(w);
    if (st == ST_OK)
        st = start_tables(w, e);
    w->opened.status = st;
    w->opened.catalog = w->catalog;
    w->opened.mail.deliver = control_take_tables;
    if (w->registry)
        atomic_store(&w->server->lsn, registry_lsn(w->registry));
    writer_measure(w);
    w->serving = st == ST_OK; /* before anybody can read */
    w->stopping = !w->serving;
    if (w->serving)
        fetch_begin(w);
    mailbox_send(&w->server->main, &w->opened.mail);
    return st == ST_OK;
}

static void *run(void *arg)
{
    struct writer *w = arg;
    uint64_t now, tick, push_wait = UINT64_MAX;
    bool retiring = false, shortening = false, fetching = true, idle;

    if (!open_all(w))
        return NULL;
    now = clock_now_us();
    tick = now + TICK_US;
    while (!w->stopping || w->running || w->savings || w->folder_jobs || w->publications ||
           retiring || w->pushes.first) {
        uint64_t wait = tick > now && !shortening && !fetching ? tick - now : 0;

        if (retiring && wait > GATE_US)
            wait = GATE_US;
        mailbox_wait(&w->mailbox, (int64_t)(wait < push_wait ? wait : push_wait));
        idle = mailbox_deliver(&w->mailbox, w) == 0 && !w->pushes.first;
        push_wait = pushes_run(w);
        retiring = publish_retire(w);
        shortening = log_turn(w, idle);
        fetching = fetch_turn(w);
        now = clock_now_us();
        if (now >= tick) {
            watch_files(w);
            counts_tick(w);
            saves_tick(w);
            grow_tick(w);
            log_front(w);
            watch_log(w);
            tick = now + TICK_US;
        }
    }
    mailbox_send(&w->server->main, w->stopped);
    return NULL;
}

enum status writer_start(struct writer *w, struct error *e)
{
    return thread_start(&w->thread, "embd-writer", run, w, e);
}

void writer_stop(struct writer *w, struct mail *stopped)
{
    w->stopped = stopped;
    w->stop.deliver = deliver_stop;
    mailbox_send(&w->mailbox, &w->stop);
}

void writer_join(struct writer *w)
{
    pthread_join(w->thread, NULL);
    mailbox_deliver(&w->mailbox, w); /* what came too late is answered or freed */
}

void writer_free(struct writer *w)
{
    if (!w)
        return;
    publish_retire(w);
    for (size_t i = 0; w->catalog && i < w->catalog->count; i++) {
        keep_free(w->catalog->entry[i]->keep);
        entry_free(w->catalog->entry[i]);
    }
    holds_done(w);
    catalog_free(w->catalog);
    registry_close(w->registry);
    refusals_free(w->server->refusals);
    w->server->refusals = NULL;
    pushes_done(&w->pushes);
    slots_done(&w->slots);
    config_free(w->reloaded);
    if (w->import_fd >= 0)
        close(w->import_fd);
    if (w->mailbox.fd >= 0)
        mailbox_done(&w->mailbox);
    mem_free(w);
}
