/* SPDX-License-Identifier: Apache-2.0 */
/* How the daemon starts threads. No state. */
#include "daemon/thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/give_way.h"

enum status thread_start(pthread_t *out, const char *name, void *(*run)(void *arg), void *arg,
                         struct error *e)
{
    sigset_t blocked, before;
    pthread_t thread;
    int failed;

    /* All signals but those that a thread causes itself; region.h lives by SIGBUS. */
    sigfillset(&blocked);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGILL);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGABRT);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    failed = pthread_create(&thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return error_errno(e, failed, "cannot start the thread %s", name);
    pthread_setname_np(thread, name); /* not detached yet: the name of nobody is set */
    if (out)
        *out = thread;
    else
        pthread_detach(thread);
    return ST_OK;
}

/* As the kernel has it; older C libraries have no declaration. */
struct slice {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

#define SLICE_NS 100000 /* the shortest that the kernel takes */

/* At this priority; a wish, others are served as well. */
static void take_short_slices(int nice)
{
    struct slice slice = {
        .size = sizeof slice, .policy = SCHED_OTHER, .nice = nice, .runtime = SLICE_NS};

    syscall(SYS_sched_setattr, 0, &slice, 0);
}

void thread_answers(void)
{
    int nice;

    errno = 0;
    nice = getpriority(PRIO_PROCESS, 0);
    if (errno == 0)
        take_short_slices(nice);
}

#define WORKS_NICE 10 /* a tenth of the processor, where somebody else wants all of it */

void thread_works(void)
{
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), WORKS_NICE);
    take_short_slices(WORKS_NICE); /* who gives way gives up the rest of a slice */
    give_way_promise();
}
