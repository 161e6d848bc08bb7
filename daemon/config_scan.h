/* SPDX-License-Identifier: Apache-2.0 */
/* The look at a configuration file before its parser sees it. libconfuse takes a repeated option
   for its last value, an open section or comment at the end for a closed one, expands ${HOME},
   reads backslashes, and counts lines wrongly after comments; here all of that is refused or taken
   out. */
#pragma once

#include <stddef.h>

#include "base/status.h"

#define CONFIG_LINE_MOST 4096     /* bytes of a line */
#define CONFIG_TABLES_MOST 100000 /* sections; the parser compares each with all */

/* Check `n` bytes of text and write them to `out`, n + 1 bytes of room, NUL-terminated and with
   blanks in place of comments. ST_INVALID: `*line` is where, and the sentence says what. */
MUST_CHECK enum status config_scan(const char *text, size_t n, char *out, unsigned *line,
                                   struct error *e);
