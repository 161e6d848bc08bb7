/* SPDX-License-Identifier: Apache-2.0 */
/* What Push and PushStream share: taking a message in, answering it, counting it. On the worker's
   thread. */
#pragma once

#include <stddef.h>

#include "daemon/push.h"

struct block;
struct call;

/* Read a message of the call, prepare it, and count its memory. ST_OK: it may go to the writer,
   also if it will be refused there. `*out` is yours. */
MUST_CHECK enum status push_begin(struct push **out, struct call *call, const void *data, size_t n,
                                  struct error *e);
/* Hand it over; `answer` comes back with it if the call is still there. */
void push_send(struct push *p, struct call *call,
               void (*answer)(struct call *call, struct push *p));
/* Its PushResponse; NULL when out of memory, and then `e` says what that means. */
struct block *push_reply(const struct push *p, struct error *e);
