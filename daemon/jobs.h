/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's own part of jobs and waiters; what others may do is in worker.h. */
#pragma once

#include "daemon/worker.h"

void jobs_init(struct worker *w);
/* Run each job that is queued now once, in order, unless that takes too long for one turn. */
void jobs_run(struct worker *w);
