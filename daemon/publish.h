/* SPDX-License-Identifier: Apache-2.0 */
/* How a new catalog comes to everybody who reads one (the workers and the main thread), and how
   what it replaced goes away: shown to all → taken by all → the order is answered → the entries
   that left it wait at their gates until no lookup is inside → freed. Several may be on their way
   at a time; readers take them in order. The writer's.

   The main thread counts among them, since it gives slots their names: what is counted after the
   answer must not count for the name before. */
#pragma once

#include <stdbool.h>

#include "base/mailbox.h"
#include "base/status.h"
#include "table/catalog.h"

struct order;
struct publication;
struct server;
struct writer;

/* What the main thread gets when a catalog is shown; its mailbox's receiver takes it and mails
   `taken` to `reply`. */
struct catalog_view {
    struct mail mail;
    const struct catalog *catalog;
    struct mail *taken;
    struct mailbox *reply;
};

/* Everything that publishing allocates, before there is a change to publish: for a catalog that at
   most `most` entries leave. */
MUST_CHECK enum status publication_new(struct publication **out, struct writer *w, size_t most,
                                       struct error *e);
/* One that was not used. NULL is fine. */
void publication_free(struct publication *p);
/* An entry is no longer in the catalog that is to be published. Taken over, unless the publication
   is not used. */
void publication_drop(struct publication *p, struct entry *gone);

/* Make `c` the newest catalog and show it. When all have taken it, `o` (may be NULL) is answered
   with ST_OK. Takes over all. */
void publish(struct publication *p, struct catalog *c, struct order *o);
/* Free what can be freed by now; true if something still waits at its gate. */
bool publish_retire(struct writer *w);
