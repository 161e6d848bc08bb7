/* SPDX-License-Identifier: Apache-2.0 */
/* What the process takes of the machine, for metrics and statistics. No state; any thread. */
#pragma once

#include <stdint.h>

struct process_usage {
    uint64_t resident_bytes;  /* in memory now, mapped files too */
    uint64_t allocated_bytes; /* handed out by the allocator; 0 if it does not tell */
    uint64_t open_files, most_open_files;
    double cpu_s; /* user and system, since start */
    uint64_t major_faults;
};

/* What cannot be found out is 0. */
void process_look(struct process_usage *u);
/* Raise the soft limit of open files to the hard one; returns what it is now. */
uint64_t process_raise_files(void);
