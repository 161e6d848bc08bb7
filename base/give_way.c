/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that give way. The promise is the thread's own, and what it has done. */
#include "base/give_way.h"

#include <sched.h>

static _Thread_local bool promised;
static _Thread_local size_t done; /* bytes since it gave way */

void give_way_promise(void)
{
    promised = true;
}

bool give_way_promised(void)
{
    return promised;
}

void give_way(size_t bytes)
{
    done += bytes;
    if (!promised || done < GIVE_WAY_BYTES)
        return;
    done = 0;
    sched_yield();
}
