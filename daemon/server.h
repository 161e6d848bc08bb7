/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon's threads share. All of it is set up by the main thread before the workers start;
   afterwards it is constant, or has one owner who is named here. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "daemon/limits.h"
#include "daemon/opening.h"
#include "table/caches.h"

struct config;
struct refusals;
struct rpc;
struct worker;
struct writer;

struct server {
    const struct config *config;
    struct limits limits;
    const struct rpc *const *rpcs; /* all methods of all services, NULL at the end */
    const struct rpc *unknown; /* stands for the method of calls whose path is none of these: its
                                  `done` counts them; the path is not used. May be NULL */
    struct worker **worker;
    unsigned worker_count;
    struct writer *writer;                  /* owns log.db and every change of the catalog */
    atomic_uint_fast64_t lsn;               /* of the last push applied; the writer's */
    atomic_uint_fast64_t queued_push_bytes; /* memory of pushes that are not answered yet */
    /* How the log stands: where it ends, its rows and their bytes, the size of its files. Set by
       the writer alone, at the end of the start and then once a second. */
    atomic_uint_fast64_t log_lsn, log_rows, log_bytes, log_disk_bytes;
    struct refusals *refusals; /* of pushes; made with the writer */
    struct mailbox main;       /* the main thread's: statistics queries, adopted sockets */
    uint64_t start_us;         /* clock_now_us() at start */
    atomic_bool ready;         /* answers /readyz and health; written by the main thread */
    atomic_bool draining;
    struct opening opening;     /* the start until `ready` */
    struct cache_budget caches; /* of decoded rows: all tables', all workers' */
    /* Counted where they happen, for /metrics: accepted; closed at once because of max_connections
       or for want of descriptors or memory; ended by us because the peer misbehaved. */
    atomic_uint_fast64_t connections_total, connections_refused, connections_cut;
};
