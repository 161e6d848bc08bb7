/* SPDX-License-Identifier: Apache-2.0 */
/* Long work beside threads that answer. A thread that the scheduler wakes up goes before one that
   works only if it is owed time at that very moment; else it waits for the next tick of the clock,
   milliseconds. So work that promised to gives way by itself, every fraction of a millisecond. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define GIVE_WAY_BYTES ((size_t)64 << 10) /* are read, written or hashed in 10 to 30 us */

/* For the calling thread, from now on: give_way() lets others go first. */
void give_way_promise(void);
/* Whether the calling thread promised. */
bool give_way_promised(void);
/* After work on so many bytes, in pieces of at most GIVE_WAY_BYTES; others go first once there are
   that many. Nothing in a thread without the promise, and next to nothing if nobody else waits for
   the processor. */
void give_way(size_t bytes);
