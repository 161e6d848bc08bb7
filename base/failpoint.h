/* SPDX-License-Identifier: Apache-2.0 */
/* Named points at which tests of developer builds make the process die, wait or fail. The variable
   EMBD_FAILPOINTS holds name=action[,name=action…]; an action is `kill` (SIGKILL to ourselves, at
   once), `sleep:MS`, `error` (the point returns true, which the code takes for a failed write with
   EIO) or `full` (the same with ENOSPC); `@N` after it: only the N-th time the point is passed,
   `@N+`: from then on; `%P`: with P percent. EMBD_FAILPOINT_LOG names a file to which each point
   that acted is appended. In other builds a point is nothing. Any thread. */
#pragma once

#include <errno.h>
#include <stdbool.h>

#ifdef EMBD_DEVELOPER
/* True, with errno set, if the operation that follows should be taken as failed. */
bool failpoint(const char *name);
/* Each name is written once in the code, with the prefix of its part: "log.commit.before". */
#define FAILPOINT(name) failpoint(name)
#else
#define FAILPOINT(name) false
#endif
