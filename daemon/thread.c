/* SPDX-License-Identifier: Apache-2.0 */
/* How the daemon starts threads. No state. */
#include "daemon/thread.h"

#include <signal.h>

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
