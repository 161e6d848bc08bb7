/* SPDX-License-Identifier: Apache-2.0 */
/* The gate of a table: how the writer waits for lookups that are inside it. Each worker has a
   padded flag of its own, so that entering and leaving is one uncontended store; only the writer
   looks at all of them.

     worker:  gate_enter(w) ── false: put the call aside and serve others
              … read parameters …
              gate_leave(w)
     writer:  gate_close() → gate_settled() until true
              → gate_raise() → gate_empty() until true → change or free → gate_lower()

   A reader is brief if it leaves before its worker does anything else, or it stays: between its
   turns the worker serves others. A closed gate lets only the brief ones in, so that lookups of a
   few rows do not wait for the writer while it waits for a lookup of a million; a raised one lets
   nobody in, and then there are only brief ones to wait for.

   A worker may be inside with several calls at once. A push raises the gate while its changed rows
   are written; a table that was replaced or unloaded has it raised for good before it is freed. A
   worker that was not let in says so in its flag, and the writer, when it has lowered the gate,
   wakes those who did. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct gate_flag {
    _Alignas(64) atomic_uint inside; /* written by one worker: all that are inside, … */
    atomic_uint staying;             /* … and those of them that stay */
    atomic_bool waits;               /* set by the worker, taken by the writer */
};

struct gate {
    _Alignas(64) atomic_uint state; /* written by the writer */
    unsigned workers;
    struct gate_flag *flag; /* [workers] */
};

MUST_CHECK enum status gate_init(struct gate *g, unsigned workers, struct error *e);
void gate_done(struct gate *g);
/* Enter as worker `w`; false (and not inside) if the gate is up, or closed to those who stay: the
   worker is then noted as one that waits. */
bool gate_enter(struct gate *g, unsigned w, bool stays);
void gate_leave(struct gate *g, unsigned w, bool stays);
/* Note worker `w` as one that waits. What it waits for is looked at once more afterwards: a change
   that this look misses wakes it. */
void gate_wait(struct gate *g, unsigned w);
/* Whether the writer waits for those inside. */
bool gate_wanted(const struct gate *g);

void gate_close(struct gate *g);
/* After gate_close(): true once nobody is inside who stays. */
bool gate_settled(const struct gate *g);
void gate_raise(struct gate *g);
/* After gate_raise(): true once nobody is inside. */
bool gate_empty(const struct gate *g);
void gate_lower(struct gate *g);
/* By the writer, after gate_lower(): whether worker `w` has waited since it was asked last. */
bool gate_waits(struct gate *g, unsigned w);
