/* SPDX-License-Identifier: Apache-2.0 */
/* A worker: a thread with its own event loop, connections, calls, counters and view of the catalog.
   What it owns nobody else touches; others send it mail. A turn of its loop serves the sockets,
   timers and mail at hand, then a few jobs, and hands each connection's output to the kernel. */
#pragma once

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "base/status.h"
#include "table/catalog.h"
#include "table/lookup.h"

struct counters;
struct server;
struct transport;

/* Work that goes on in pieces between events, so that a large call neither holds up small ones nor
   its own cancellation. */
struct job {
    struct job *next, *prev;      /* NULL while not queued */
    void (*run)(struct job *job); /* no longer queued when called; enqueues itself to go on */
};

/* Something that waits for a change of the catalog, a lowered gate, or the end of the daemon. */
struct waiter {
    struct waiter *next, *prev;          /* NULL while not waiting */
    void (*wake)(struct waiter *waiter); /* no longer waiting when called */
};

struct worker {
    struct server *server;
    unsigned index; /* 0, 1, … : the worker's place in gates and counters */
    pthread_t thread;
    struct event_base *base;
    struct mailbox mailbox;
    /* Taken between two events. The main thread sets the first one before worker_start(). */
    const struct catalog *catalog;
    struct counters *counters; /* set before worker_start() and freed by the main thread */
    struct lookup_scratch scratch;
    struct transport *transport; /* connections and calls, see transport.h */
    struct job jobs;             /* ring head */
    size_t job_count;
    struct waiter waiters; /* ring head */
    bool draining;         /* a call that waits for something ends with ST_UNAVAILABLE now */

    /* How mail comes in: an event for the box, and mails that are never freed. */
    struct event *mail_event;
    struct mail drain_mail, hurry_mail, show_mail, rouse_mail;
    atomic_bool roused;                   /* rouse_mail is on its way */
    bool started, drain_sent, hurry_sent; /* the main thread's */
    pthread_mutex_t show_lock;            /* of the next three */
    const struct catalog *show;           /* on its way in */
    struct mail *shown;                   /* to be mailed back, linked */
    struct mailbox *shown_to;
    atomic_bool left; /* the thread has ended: mail is delivered by who sends it */

    /* Read by others. */
    _Alignas(64) atomic_uint_fast64_t connection_count; /* counted up by who adopts */
    atomic_uint_fast64_t stream_count;
    atomic_uint_fast64_t inflight_bytes; /* request bodies and unsent replies */
};

/* Make a worker without its thread. The server's limits, rpcs and unknown are set. */
MUST_CHECK enum status worker_new(struct worker **out, struct server *server, unsigned index,
                                  struct error *e);
/* Start its thread, with all signals blocked. server->worker and ->worker_count are set. */
MUST_CHECK enum status worker_start(struct worker *w, struct error *e);
/* By the main thread: send the worker away. It stops reading new calls (two-step GOAWAY), wakes the
   waiters, finishes the calls in flight within the grace time, and leaves. */
void worker_drain(struct worker *w);
/* By the main thread, after worker_drain(): the grace time is over now. */
void worker_hurry(struct worker *w);
/* By the main thread: wait until it has left. It still takes catalogs then, on the thread that
   shows them. */
void worker_join(struct worker *w);
void worker_free(struct worker *w); /* joined, or never started; NULL is fine */

/* From any thread: a connected, non-blocking socket becomes the worker's. */
void worker_adopt(struct worker *w, int fd);
/* From any thread: show the worker a new catalog; `taken` is mailed back (to `reply`, the same box
   every time) once no event of this worker uses the old one any more. Waiters are woken. */
void worker_show_catalog(struct worker *w, const struct catalog *c, struct mailbox *reply,
                         struct mail *taken);

/* From any thread: wake who waits, since something may have happened that they wait for. */
void worker_rouse(struct worker *w);

/* Queue a job at the end; run when the events at hand are served. No effect if it is queued. */
void worker_enqueue(struct worker *w, struct job *job);
/* The same at the front: its turns come before those of others. */
void worker_enqueue_first(struct worker *w, struct job *job);
void worker_dequeue(struct worker *w, struct job *job); /* no effect if it is not queued */
/* Wait for worker_show_catalog(), worker_rouse(), worker_wake() or worker_drain(). */
void worker_wait(struct worker *w, struct waiter *waiter);
void worker_unwait(struct worker *w, struct waiter *waiter); /* no effect if it is not waiting */
/* By the worker itself: wake all that wait now. */
void worker_wake(struct worker *w);

/* Count bytes in flight; false (and not counted) when all workers together would pass the limit. */
bool worker_charge(struct worker *w, uint64_t bytes);
void worker_discharge(struct worker *w, uint64_t bytes);

/* One turn of the loop, which sleeps until something happens if `may_sleep`. For those who drive a
   worker without its thread, such as fuzzers. */
void worker_turn(struct worker *w, bool may_sleep);
