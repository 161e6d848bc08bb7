/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite's file layer with a fault: the n-th operation of some kinds fails. It stands before the
   usual one as the default of the process, so that the code under test need not know. One thread.
 */
#pragma once

#include <stdbool.h>

enum faulty_operation {
    FAULTY_READ = 1,
    FAULTY_WRITE = 2,
    FAULTY_SYNC = 4,
    FAULTY_TRUNCATE = 8,
    FAULTY_OPEN = 16,
    FAULTY_DELETE = 32
};

struct faulty {
    int operations;   /* which may fail, or-ed */
    unsigned after;   /* how many of them go well before that; */
    bool for_ever;    /* all that follow fail, too */
    int code;         /* SQLite's, such as SQLITE_IOERR_WRITE */
    int error_number; /* errno that goes with it */
    unsigned hits;    /* how many have failed */
};

/* Make it the default file layer of the process. */
void faulty_install(void);
/* From now on; NULL: no faults. Borrowed, its counts change. */
void faulty_arm(struct faulty *f);
/* Instead of failing, the operation goes on after `call`, until the next faulty_arm(). */
void faulty_call(void (*call)(void *context), void *context);
