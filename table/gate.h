/* SPDX-License-Identifier: Apache-2.0 */
/* The gate of a table: how the writer waits for lookups that are inside it. Each worker has a
   padded flag of its own, so that entering and leaving is one uncontended store; only the writer
   looks at all of them.

     worker:  gate_enter(w) ── false: the gate is up, put the call aside and serve others
              … read parameters …
              gate_leave(w)
     writer:  gate_raise() → gate_empty() until true → change or free → gate_lower()

   A worker may be inside with several calls at once (`inside` counts them). A push raises the gate
   while its changed rows are written; a table that was replaced or unloaded has it raised for good
   before it is freed. A worker that found the gate up says so in its flag, and the writer, when it
   has lowered it, wakes those who did. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct gate_flag {
    _Alignas(64) atomic_uint inside; /* written by one worker */
    atomic_bool waits;               /* set by the worker that met the gate, taken by the writer */
};

struct gate {
    _Alignas(64) atomic_bool up;
    unsigned workers;
    struct gate_flag *flag; /* [workers] */
};

MUST_CHECK enum status gate_init(struct gate *g, unsigned workers, struct error *e);
void gate_done(struct gate *g);
/* Enter as worker `w`; false (and not inside) while the gate is up: the worker is then noted as one
   that waits, before it looks a last time, so that either it gets in or gate_waits() tells of it
   after the gate_lower() to come. */
bool gate_enter(struct gate *g, unsigned w);
void gate_leave(struct gate *g, unsigned w);
void gate_raise(struct gate *g);
void gate_lower(struct gate *g);
/* By the writer, after gate_lower(): whether worker `w` met the gate since it was asked last. */
bool gate_waits(struct gate *g, unsigned w);
/* After gate_raise(): true once nobody is inside. */
bool gate_empty(const struct gate *g);
