/* SPDX-License-Identifier: Apache-2.0 */
/* By the processes' own clocks: /proc/PID/stat counts in hundredths of a second, and
   /proc/PID/task/TID/schedstat forgets threads that have ended. No state; any thread. */
#include "client/load/cpu.h"

#include <sys/socket.h>
#include <time.h>

static bool read_clock(clockid_t clock, uint64_t *ns)
{
    struct timespec t;

    if (clock_gettime(clock, &t) < 0)
        return false;
    *ns = (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
    return true;
}

uint64_t cpu_own_ns(void)
{
    uint64_t ns = 0;

    read_clock(CLOCK_PROCESS_CPUTIME_ID, &ns); /* cannot fail */
    return ns;
}

bool cpu_of_ns(int pid, uint64_t *ns)
{
    clockid_t clock;

    return pid > 0 && clock_getcpuclockid(pid, &clock) == 0 && read_clock(clock, ns);
}

int cpu_peer(int socket)
{
    struct sockaddr_storage address;
    struct ucred peer;
    socklen_t n = sizeof address;

    if (getpeername(socket, (struct sockaddr *)&address, &n) < 0 || address.ss_family != AF_UNIX)
        return 0;
    n = sizeof peer;
    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0 ? 0 : peer.pid;
}
