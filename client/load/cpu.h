/* SPDX-License-Identifier: Apache-2.0 */
/* Processor time of processes, ours and the server's. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Of this process, all threads, in nanoseconds. */
uint64_t cpu_own_ns(void);
/* Of another process on this machine, all its threads that ever were. False if there is none. */
bool cpu_of_ns(int pid, uint64_t *ns);
/* Who listens at the other end of a connected Unix socket; 0 if it is none or cannot be told. */
int cpu_peer(int socket);
