/* SPDX-License-Identifier: Apache-2.0 */
/* How a table that nobody uses any more goes away: to unmap a gigabyte takes tens of milliseconds,
   which nobody should wait for. Any thread. */
#pragma once

struct table;

/* Close the table, taken over: a large one on a thread of its own, which gives way to others. NULL
   is fine. */
void discard(struct table *t);
