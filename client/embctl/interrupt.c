/* SPDX-License-Identifier: Apache-2.0 */
/* Notes signals. One flag, written by the handler alone. */
#include "client/embctl/interrupt.h"

#include <signal.h>
#include <stdio.h>

#include "client/embctl/command.h"

static volatile sig_atomic_t noted;

static void note(int number)
{
    noted = number;
}

void interrupt_watch(void)
{
    struct sigaction action = {.sa_handler = note}; /* waiting calls return with EINTR */

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

bool interrupted(void)
{
    return noted != 0;
}

int say_interrupted(void)
{
    fflush(stdout);
    fputs("embctl: interrupted, nothing was written\n", stderr);
    return EXIT_INTERRUPTED;
}
