/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C (and SIGTERM, SIGHUP) for commands that have something to clean up: a file half written, a
   terminal in another mode. The others just end. */
#pragma once

#include <stdbool.h>

/* From now on these signals are noted instead of ending the program. */
void interrupt_watch(void);
bool interrupted(void);
/* Print the one line that tells so and return EXIT_INTERRUPTED. */
int say_interrupted(void);
