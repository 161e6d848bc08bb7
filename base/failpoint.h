/* SPDX-License-Identifier: Apache-2.0 */
/* Named points at which tests of developer builds make the process die, wait or fail. The variable
   EMBD_FAILPOINTS holds name=action[,name=action…]; the name `*` stands for every point. An action
   is `kill` (SIGKILL to ourselves, at once), `sleep:MS`, `error` (the point returns true, which the
   code takes for a failed write with EIO) or `full` (the same with ENOSPC); `@N` after it: only the
   N-th time the point is passed, `@N+`: from then on; `%P`: with P percent. EMBD_FAILPOINT_LOG
   names a file to which each point that acted is appended, so that `*=sleep:0` lists all that are
   passed. A mistake in the variable ends the process with status 2. In other builds a point is
   nothing. Any thread. */
#pragma once

#include <errno.h>
#include <stdbool.h>

#ifdef EMBD_DEVELOPER
/* True, with errno set, if the operation that follows should be taken as failed. */
bool failpoint(const char *name);
/* Each name is written once in the code, with the prefix of its part: "log.commit.before". Where
   nothing can fail it is written (void)FAILPOINT("…"). tests/check_failpoints.sh lists them. */
#define FAILPOINT(name) failpoint(name)
#else
#define FAILPOINT(name) false
#endif
