/* SPDX-License-Identifier: Apache-2.0 */
/* A worker: a thread with its own event loop, connections, calls, counters and view of the catalog. What
   it owns nobody else touches; others send it mail. */
#pragma once

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/mailbox.h"
#include "base/status.h"
#include "table/catalog.h"
#include "table/lookup.h"

struct connection;
struct counters;
struct limits;
struct rpc;
struct server;

/* Work that goes on in pieces between events, so that a large call neither holds up small ones nor its
   own cancellation. */
struct job {
    struct job *next, *prev; /* NULL while not queued */
    void (*run)(struct job *job);
};

/* Something that waits for a change of the catalog or a lowered gate. */
struct waiter {
    struct waiter *next, *prev; /* NULL while not waiting */
    void (*wake)(struct waiter *waiter); /* no longer waiting when called */
};

struct worker {
    struct server *server;
    unsigned index; /* 0, 1, … : the worker's place in gates and counters */
    pthread_t thread;
    struct event_base *base;
    struct mailbox mailbox;
    const struct catalog *catalog; /* taken between two events */
    struct counters *counters;
    struct lookup_scratch scratch;
    unsigned char *input; /* what recv() fills, WORKER_INPUT bytes, handed to nghttp2 at once */
    struct connection *connections; /* list */
    struct call_map *calls;         /* by id */
    uint64_t next_call_id;
    struct job jobs;       /* ring head */
    struct waiter waiters; /* ring head */
    struct event *job_event;
    bool draining;
    /* Written by this worker alone, read by others. */
    _Alignas(64) atomic_uint_fast64_t connection_count;
    atomic_uint_fast64_t stream_count;
    atomic_uint_fast64_t inflight_bytes; /* request bodies and unsent replies */
};

#define WORKER_INPUT ((size_t)256 << 10)

MUST_CHECK enum status worker_new(struct worker **out, struct server *server, unsigned index,
                                  struct error *e);
MUST_CHECK enum status worker_start(struct worker *w, struct error *e);
/* Send the worker away: stop reading new calls (two-step GOAWAY), finish those in flight within the
   grace time, leave. worker_join() waits for it. */
void worker_drain(struct worker *w);
void worker_join(struct worker *w);
void worker_free(struct worker *w);

/* From any thread: a connected, non-blocking socket becomes the worker's. */
void worker_adopt(struct worker *w, int fd);
/* From any thread: show the worker a new catalog; `taken` is mailed back (to `reply`) once no event of
   this worker uses the old one any more. Waiters are woken. */
void worker_show_catalog(struct worker *w, const struct catalog *c, struct mailbox *reply,
                         struct mail *taken);

/* Queue a job at the end; run when the events at hand are served. No effect if it is queued. */
void worker_enqueue(struct worker *w, struct job *job);
void worker_dequeue(struct worker *w, struct job *job); /* no effect if it is not queued */
void worker_wait(struct worker *w, struct waiter *waiter);
void worker_unwait(struct worker *w, struct waiter *waiter); /* no effect if it is not waiting */

/* Count bytes in flight; false (and not counted) when all workers together would pass the limit. */
bool worker_charge(struct worker *w, uint64_t bytes);
void worker_discharge(struct worker *w, uint64_t bytes);
