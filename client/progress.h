/* SPDX-License-Identifier: Apache-2.0 */
/* A line on standard error that shows how far long work is, how fast it goes and how long it still
   takes; nothing at all when standard error is no terminal. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; /* "compress" */
    const char *unit; /* "rows"; NULL: bytes */
    uint64_t units;   /* of the whole work */
    uint64_t start_us, shown_us;
    bool terminal;
};

void progress_start(struct progress *p, const char *what, uint64_t units, const char *unit);
/* `done` is the share of the work (0 to 1). Cheap: prints ten times a second at most. */
void progress_show(struct progress *p, double done);
/* Wipe the line. */
void progress_end(struct progress *p);
