/* SPDX-License-Identifier: Apache-2.0 */
/* One save: a snapshot of one table, written and read back by a thread of its own while pushes go
   on.

     writer: saving_begin() ── the instant ──> saver: saving_run() ── mail ──> writer: saving_end()

   It is whoever holds it who may touch it; the entry and its keep stay until it has ended. */
#pragma once

#include <stdatomic.h>

#include "base/mailbox.h"
#include "daemon/keep.h"

struct saving {
    struct mail mail;
    struct saving *next;  /* in the writer's list */
    struct mailbox *back; /* the writer's */
    struct entry *entry;
    struct order *orders;  /* answered with its outcome */
    atomic_bool cancelled; /* the daemon stops */
    bool waits;            /* the writer's: the instant was, and no saver is free yet */

    struct snapshot_moment moment;
    struct optimizer_settings settings;
    struct snapshot base;
    uint64_t other; /* version of the other lineage's newest snapshot, UINT64_MAX: it has none */
    uint64_t since; /* what prune must keep: keep->since */
    uint64_t first; /* the first row of the log that has changed the table since the instant: the
                       writer's, also while the saver runs; see keep_changed() */
    uint64_t start_us, pause_us; /* pause: how long the writer was held up by the instant */

    /* The outcome */
    enum status status;
    struct error error;
    struct snapshot written;
    bool lost[LINEAGES]; /* the lineage's newest snapshot, or what it goes on from, is gone */
    struct kept *kept;   /* all snapshots there are now, NULL if they could not be listed */
    size_t kept_count;
    enum status pruned; /* what became of tidying up, which is no failure of the save */
    struct error prune_error;
};

/* By the writer, between two pushes: the instant is now. */
MUST_CHECK enum status saving_begin(struct saving **out, struct entry *entry, uint64_t lsn,
                                    struct mailbox *back, struct error *e);
/* Write, tidy up, list. Any one thread. */
void saving_run(struct saving *s);
/* The same on a thread of its own, which mails `s` back, delivered to `saved`. */
MUST_CHECK enum status saving_run_elsewhere(struct saving *s,
                                            void (*saved)(struct mail *mail, void *writer),
                                            struct error *e);
/* By the writer: take the outcome into entry->keep and free `s`. */
void saving_end(struct saving *s);

/* Remove what a registering left behind that was not logged: the first snapshot of a content has
   the lsn 0, and is good only at the version that the log says this content begins with. */
MUST_CHECK enum status saving_weed(const char *folder, uint64_t generation, uint64_t since,
                                   struct error *e);
