/* SPDX-License-Identifier: Apache-2.0 */
/* How the daemon starts threads: signals are the main thread's, and each has a name that top and
   debuggers show. Any thread. */
#pragma once

#include <pthread.h>

#include "base/status.h"

/* Run `run(arg)` on a new thread; detached if `out` is NULL. `name` has at most 15 letters. */
MUST_CHECK enum status thread_start(pthread_t *out, const char *name, void *(*run)(void *arg),
                                    void *arg, struct error *e);

/* For the calling thread: it answers, and should go first whenever it wakes up. Where the kernel
   gives threads slices of their own (Linux 6.12), it takes short ones. */
void thread_answers(void);
/* For the calling thread: it works for long, and others need the processor more. */
void thread_works(void);
