/* SPDX-License-Identifier: Apache-2.0 */
/* Drives a worker without its thread: a recorded session goes in through a socket pair, a few bytes
   at a time, and what comes out is held against the rules that no peer can make the transport
   break. */
#pragma once

#include <stddef.h>

struct drive;

/* A worker with the methods of echo_rpcs.h and small limits; NULL without memory. */
struct drive *drive_new(void);
void drive_free(struct drive *d);

/* One connection from its first byte to its end. The first byte of `data` says how it is driven
   (see drive.c), the rest is what the peer sends. Ends the process (see fuzz/check.h) if a frame
   that comes back is out of place, or if anything is left afterwards. */
void drive_session(struct drive *d, const unsigned char *data, size_t n);
