/* SPDX-License-Identifier: Apache-2.0 */
/* Pushes that were refused, counted by trainer and reason since the start. Written by the writer
   and the workers, read by the main thread. A trainer's counts have a place of their own while
   there is room; those of further trainers are counted under "*". */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "storage/registry.h"

struct refusal {
    char trainer[TRAINER_MAX + 1]; /* "": pushes without a trainer; "*": further trainers */
    enum status status;
    const char *reason; /* one word; see push_reason.h */
    uint64_t count;
};

struct refusals;

/* With room for `most` counts beside those of "*". */
MUST_CHECK enum status refusals_new(struct refusals **out, size_t most, struct error *e);
void refusals_free(struct refusals *r); /* NULL is fine */
/* Count one. Any thread; never fails. */
void refusals_count(struct refusals *r, const char *trainer, enum status st, const char *reason);
/* How many counts there are; at most `room` of them are written, in the order in which they came
   to be. Any thread. */
size_t refusals_read(struct refusals *r, struct refusal *out, size_t room);
/* Most that refusals_read() can return. */
size_t refusals_room(const struct refusals *r);
