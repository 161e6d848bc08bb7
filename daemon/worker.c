/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's thread, its loop and its mail. worker_new() to worker_free() belong to the main
   thread; in between the thread has it. */
#include "daemon/worker.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/memory.h"
#include "daemon/jobs.h"
#include "daemon/server.h"
#include "daemon/thread.h"
#include "daemon/transport.h"

static void deliver_mail(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;

    (void)fd, (void)what;
    mailbox_deliver(&w->mailbox, w);
}

struct adoption {
    struct mail mail; /* first */
    int fd;
};

static void deliver_adoption(struct mail *mail, void *receiver)
{
    struct adoption *a = (struct adoption *)mail;
    struct worker *w = receiver;

    if (w->draining || atomic_load(&w->left)) {
        close(a->fd);
        atomic_fetch_sub_explicit(&w->connection_count, 1, memory_order_relaxed);
    } else {
        transport_adopt(w->transport, a->fd);
    }
    mem_free(a);
}

void worker_adopt(struct worker *w, int fd)
{
    struct adoption *a = mem_alloc(sizeof *a);

    if (!a) {
        close(fd);
        atomic_fetch_add_explicit(&w->server->connections_refused, 1, memory_order_relaxed);
        return;
    }
    a->mail.deliver = deliver_adoption;
    a->fd = fd;
    atomic_fetch_add_explicit(&w->connection_count, 1, memory_order_relaxed);
    mailbox_send(&w->mailbox, &a->mail);
}

static void deliver_catalog(struct mail *mail, void *receiver)
{
    struct worker *w = receiver;
    struct mailbox *to;
    struct mail *taken, *next;

    (void)mail;
    pthread_mutex_lock(&w->show_lock);
    w->catalog = w->show;
    taken = w->shown;
    to = w->shown_to;
    w->shown = NULL;
    pthread_mutex_unlock(&w->show_lock);
    /* What calls in progress keep of the old catalog they hold through gates; nothing on this stack
       has seen it. */
    worker_wake(w);
    for (; taken; taken = next) {
        next = taken->next;
        mailbox_send(to, taken);
    }
}

void worker_show_catalog(struct worker *w, const struct catalog *c, struct mailbox *reply,
                         struct mail *taken)
{
    struct mail **last;

    taken->next = NULL;
    pthread_mutex_lock(&w->show_lock);
    w->show = c;
    w->shown_to = reply;
    if (!w->shown)
        mailbox_send(&w->mailbox, &w->show_mail);
    for (last = &w->shown; *last; last = &(*last)->next)
        ;
    *last = taken;
    pthread_mutex_unlock(&w->show_lock);
    /* Either this sees that the worker has left, or worker_join() sees the mail. */
    if (atomic_load(&w->left))
        mailbox_deliver(&w->mailbox, w);
}

static void deliver_drain(struct mail *mail, void *receiver)
{
    struct worker *w = receiver;

    (void)mail;
    w->draining = true;
    worker_wake(w);
    transport_drain(w->transport);
}

void worker_drain(struct worker *w)
{
    if (w->drain_sent)
        return;
    w->drain_sent = true;
    mailbox_send(&w->mailbox, &w->drain_mail);
}

static void deliver_hurry(struct mail *mail, void *receiver)
{
    struct worker *w = receiver;

    (void)mail;
    transport_hurry(w->transport);
}

void worker_hurry(struct worker *w)
{
    if (w->hurry_sent)
        return;
    w->hurry_sent = true;
    mailbox_send(&w->mailbox, &w->hurry_mail);
}

static void deliver_rouse(struct mail *mail, void *receiver)
{
    struct worker *w = receiver;

    (void)mail;
    atomic_store(&w->roused, false); /* what happens from here on sends another mail */
    worker_wake(w);
}

void worker_rouse(struct worker *w)
{
    if (!atomic_exchange(&w->roused, true))
        mailbox_send(&w->mailbox, &w->rouse_mail);
}

void worker_turn(struct worker *w, bool may_sleep)
{
    int flags = EVLOOP_ONCE;

    if (!may_sleep || w->job_count)
        flags |= EVLOOP_NONBLOCK;
    event_base_loop(w->base, flags);
    transport_flush(w->transport);
    if (w->job_count)
        jobs_run(w);
}

static void *run(void *arg)
{
    struct worker *w = arg;

    thread_answers();
    while (!w->draining || !transport_idle(w->transport))
        worker_turn(w, true);
    return NULL;
}

enum status worker_start(struct worker *w, struct error *e)
{
    char name[16];
    sigset_t all, before;
    int failed;

    /* Signals are the main thread's, save those that a thread causes itself (region.h needs
     * SIGBUS). */
    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGILL);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGABRT);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&w->thread, NULL, run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return error_errno(e, failed, "cannot start worker %u", w->index);
    snprintf(name, sizeof name, "embd-worker-%u", w->index);
    pthread_setname_np(w->thread, name);
    w->started = true;
    return ST_OK;
}

void worker_join(struct worker *w)
{
    if (w->started)
        pthread_join(w->thread, NULL);
    w->started = false;
    atomic_store(&w->left, true);
    mailbox_deliver(&w->mailbox, w);
}

enum status worker_new(struct worker **out, struct server *server, unsigned index, struct error *e)
{
    struct worker *w = mem_aligned(_Alignof(struct worker), sizeof *w);
    struct event_config *config = NULL;
    enum status st;

    if (!w)
        return error_memory(e, "worker");
    *w = (struct worker){.server = server, .index = index, .mailbox = {.fd = -1}};
    w->drain_mail.deliver = deliver_drain;
    w->hurry_mail.deliver = deliver_hurry;
    w->show_mail.deliver = deliver_catalog;
    w->rouse_mail.deliver = deliver_rouse;
    jobs_init(w);
    pthread_mutex_init(&w->show_lock, NULL); /* with default attributes it cannot fail */
    st = mailbox_init(&w->mailbox, e);
    if (st != ST_OK)
        goto out;
    st = error_memory(e, "worker's loop");
    config = event_config_new();
    if (!config || event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) < 0)
        goto out;
    w->base = event_base_new_with_config(config);
    if (!w->base)
        goto out;
    w->mail_event = event_new(w->base, w->mailbox.fd, EV_READ | EV_PERSIST, deliver_mail, w);
    if (!w->mail_event || event_add(w->mail_event, NULL) < 0)
        goto out;
    st = transport_new(&w->transport, w, e);
    if (st != ST_OK)
        goto out;
    *out = w;
    w = NULL;
out:
    if (config)
        event_config_free(config);
    worker_free(w);
    return st;
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    if (w->mailbox.fd >= 0) {
        atomic_store(&w->left, true);
        mailbox_deliver(&w->mailbox, w);
    }
    transport_free(w->transport);
    if (w->mail_event)
        event_free(w->mail_event);
    if (w->base)
        event_base_free(w->base);
    if (w->mailbox.fd >= 0)
        mailbox_done(&w->mailbox);
    pthread_mutex_destroy(&w->show_lock);
    lookup_scratch_done(&w->scratch);
    mem_free(w);
}

bool worker_charge(struct worker *w, uint64_t bytes)
{
    const struct server *server = w->server;
    uint64_t sum = bytes;

    /* Workers that charge at the same moment may pass the limit by what they charge: a bound, not a
       count to the byte. */
    for (unsigned i = 0; i < server->worker_count; i++)
        sum += atomic_load_explicit(&server->worker[i]->inflight_bytes, memory_order_relaxed);
    if (bytes > server->limits.max_inflight_bytes || sum > server->limits.max_inflight_bytes)
        return false;
    atomic_fetch_add_explicit(&w->inflight_bytes, bytes, memory_order_relaxed);
    return true;
}

void worker_discharge(struct worker *w, uint64_t bytes)
{
    atomic_fetch_sub_explicit(&w->inflight_bytes, bytes, memory_order_relaxed);
}
