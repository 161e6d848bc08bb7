/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of names on their way to the catalog: built whole before anything is logged. For serve.c,
   which logs and publishes them. The writer's; during start the main thread's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

struct catalog;
struct entry;
struct order;
struct publication;
struct table;
struct writer;

/* What is to become of one name. */
struct change {
    struct entry *entry; /* the new one, if any */
    struct entry *old;   /* the one that it takes the place of, or NULL */
    unsigned slot;
    bool slot_taken;
};

/* All that one catalog will show for the first time. */
struct changes {
    struct writer *writer;
    struct publication *publication;
    struct catalog *catalog; /* with those that were built so far; NULL: with none */
};

/* Everything that a new entry takes but the log. What was built before stays whatever comes of
   it. */
MUST_CHECK enum status change_build(struct changes *all, struct change *c, const struct order *o,
                                    struct table *table, uint64_t version, uint64_t generation,
                                    struct error *e);
/* The same for the only change there is, with its publication: without success nothing is left. */
MUST_CHECK enum status change_build_one(struct changes *all, struct change *c,
                                        const struct order *o, struct table *table,
                                        uint64_t version, uint64_t generation, struct error *e);
/* From here on the order's table and its training are the entry's, and the old entry goes. */
void change_hand_over(struct changes *all, const struct change *c, struct order *o);

/* Take back one of them, and then what they share. */
void change_undo(struct changes *all, struct change *c, const char *name);
void changes_undo(struct changes *all);
