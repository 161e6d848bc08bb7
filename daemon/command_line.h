/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's command line: what it names, and the configuration that follows from it. Kept for
   SIGHUP, which reads the file again under the same command line. The main thread's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct config;
struct option_info;

enum command { COMMAND_RUN, COMMAND_CHECK, COMMAND_HELP, COMMAND_VERSION };

/* One option given as text; `option` is NULL for --table. */
struct given {
    const struct option_info *option;
    const char *value;
};

struct command_line {
    enum command command;
    const char *file; /* --config, or NULL */
    struct given *given;
    size_t count;
};

/* Read the arguments, which must outlive `c`. ST_INVALID with a sentence for wrong usage. Release
   with command_line_done(). */
MUST_CHECK enum status command_line_parse(struct command_line *c, int argc, char **argv,
                                          struct error *e);
void command_line_done(struct command_line *c);

/* The configuration: defaults, the file, the command line, all checked. `*out` is yours. */
MUST_CHECK enum status command_line_config(const struct command_line *c, struct config **out,
                                           struct error *e);

/* Print --help to standard output. */
void command_line_help(void);
