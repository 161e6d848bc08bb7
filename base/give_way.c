/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that give way. The promise is the thread's own. */
#include "base/give_way.h"

#include <sched.h>
#include <stdbool.h>

static _Thread_local bool promised;

void give_way_promise(void)
{
    promised = true;
}

void give_way(void)
{
    if (promised)
        sched_yield();
}
