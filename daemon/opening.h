/* SPDX-License-Identifier: Apache-2.0 */
/* How far the start has come: written by the writer's thread, which opens the log and the tables
   and replays the log, read by the main thread, which answers HTTP meanwhile. Afterwards it says
   how the start went. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum opening_phase {
    OPENING_LOG,
    OPENING_TABLES,
    OPENING_REPLAY,
    OPENING_FETCH, /* lookups are answered from here on */
    OPENING_DONE
};

struct opening {
    atomic_int phase;                 /* enum opening_phase */
    atomic_uint_fast64_t done, total; /* of this phase: tables, or rows of the log */
    atomic_uint_fast64_t replayed;    /* rows of the log that were read … */
    atomic_uint_fast64_t replay_us;   /* … and the time that it took */
    atomic_uint_fast64_t pushes;      /* of them, pushes that were applied to some table */
    atomic_bool cancelled;            /* by the main thread: the start may be given up */
};

void opening_phase(struct opening *o, enum opening_phase phase, uint64_t total);
/* What is under way, in words: "opening tables: 3 of 12". Any thread. */
const char *opening_text(const struct opening *o, char *out, size_t size);
