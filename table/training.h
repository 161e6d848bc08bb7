/* SPDX-License-Identifier: Apache-2.0 */
/* What a table that can be trained has besides its parameters: its optimizer and states, the room
   that a push needs, and the record of what has changed since its snapshots. Owned by the writer;
   its functions are the writer's unless they say otherwise.

   One push:  training_reserve → (the log) → training_step → gate up → training_write → gate down

   Only training_write() changes what lookups read. */
#pragma once

#include "methods/gradient.h"
#include "methods/optimizer.h"
#include "table/growth.h"
#include "table/image.h"
#include "table/samples.h"
#include "table/update.h"

struct training;

/* The table was opened from a snapshot: private memory, embd.optimizer, every state tensor that it
   calls for. ST_PRECONDITION if its method cannot be trained, ST_INVALID for a missing state or an
   optimizer that does not suit, or a tensor that is not aligned to its elements (it would have been
   copied out of the snapshot's layout). The table stays the caller's and outlives the training. */
MUST_CHECK enum status training_new(struct training **out, struct table *t, struct error *e);
void training_free(struct training *t); /* NULL is fine; no image may be open */

const struct optimizer_settings *training_settings(const struct training *t);
/* Other settings from the next push on; the optimizer itself stays, and so does `step`. Copied.
   ST_INVALID for another optimizer, and for exceptions that name no tensor of the table. */
MUST_CHECK enum status training_set(struct training *t, const struct optimizer_settings *settings,
                                    struct error *e);

/* Make room for an update. ST_EXHAUSTED is the only failure; after it nothing can fail. Several
   updates may be reserved before the first is applied; not between training_step() and
   training_write(). */
MUST_CHECK enum status training_reserve(struct training *t, const struct update *u,
                                        struct error *e);
/* Compute gradients, steps and new bytes. Writes states, of which an open image gets the old blocks
   before, and nothing else that anybody else reads. `rate` is the
   learning rate of the push (training_settings()->learning_rate if it brought none), `version` the
   one that the push produces. */
void training_step(struct training *t, const struct update *u, float rate, uint64_t version);
/* Before the gate goes up: keep old blocks for an open image, mark the new ones as changed. */
void training_mark(struct training *t);
/* With the gate up and nobody inside: write the changed bytes. Counts one step of the optimizer. */
void training_write(struct training *t);

/* Whether the table has a `frequency` to count in; an update that is `counted` adds one to it for
   each id that it names. Counts stop at the largest int64. */
bool training_can_count(const struct training *t);
/* Add counts that did not come from pushes, as training_mark() and training_write(): before the
   gate goes up, and with it up. The table can count, and has these rows. */
void training_count_mark(struct training *t, const struct counted *counted, size_t n);
void training_count_write(struct training *t, const struct counted *counted, size_t n);
/* The sum of the frequency, 0 without one. */
uint64_t training_accesses(const struct training *t);

/* Since the table was opened. */
struct training_counts {
    uint64_t pushes, ids, rows, skipped;
    uint64_t kept;          /* elements that would not have been finite */
    uint64_t saturated;     /* elements that were cut off at the largest value of their type */
    uint64_t clipped;       /* rows whose gradient was shortened to clip_norm */
    uint64_t changed_bytes; /* written to parameters and states */
};
void training_counts(const struct training *t, struct training_counts *out);

/* Of a table that grows, else NULL. */
struct growth *training_growth(const struct training *t);

/* Bytes that the training holds beside the table. */
uint64_t training_bytes(const struct training *t);
/* The record of changes, for snapshots. */
struct blocks *training_blocks(struct training *t);
