/* SPDX-License-Identifier: Apache-2.0 */
/* How far the start has come, in numbers and words. */
#include "daemon/opening.h"

#include <inttypes.h>
#include <stdio.h>

void opening_phase(struct opening *o, enum opening_phase phase, uint64_t total)
{
    atomic_store(&o->done, 0);
    atomic_store(&o->total, total);
    atomic_store(&o->phase, phase);
}

const char *opening_text(const struct opening *o, char *out, size_t size)
{
    uint64_t done = atomic_load(&o->done), total = atomic_load(&o->total);

    switch ((enum opening_phase)atomic_load(&o->phase)) {
    case OPENING_LOG:
        snprintf(out, size, "opening the log");
        break;
    case OPENING_TABLES:
        snprintf(out, size, "opening tables: %" PRIu64 " of %" PRIu64, done, total);
        break;
    case OPENING_REPLAY:
        snprintf(out, size, "replaying the log: %.0f %%, %" PRIu64 " of %" PRIu64 " rows",
                 total ? 100.0 * (double)done / (double)total : 100.0, done, total);
        break;
    case OPENING_FETCH:
        snprintf(out, size, "bringing tables into memory: %" PRIu64 " of %" PRIu64, done, total);
        break;
    case OPENING_DONE:
        snprintf(out, size, "all tables are open");
        break;
    }
    return out;
}
