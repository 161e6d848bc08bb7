/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's configuration: options (see options.def) from a file and the command line, which
   wins. Made and read by the main thread; constant once the workers run, so that any thread may
   read it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/status.h"
#include "daemon/limits.h"
#include "daemon/table_options.h"

struct text_list {
    const char **text;
    size_t count;
};

/* A table that is to be served from the start. */
struct table_config {
    const char *name;
    const char *file; /* absolute */
    struct table_settings settings;
    bool replace; /* take this file even if a call has unloaded or replaced the table */
    struct table_config *next;
};

struct config {
#define CONFIG_PATH const char *
#define CONFIG_ADDRESS const char *
#define CONFIG_ADDRESSES struct text_list
#define CONFIG_BOOL bool
#define CONFIG_COUNT uint64_t
#define CONFIG_REAL double
#define CONFIG_BYTES uint64_t
#define CONFIG_DURATION uint64_t
#define CONFIG_LEVEL enum log_level
#define CONFIG_ISA const char *
#define OPTION(name, type, fallback, least, most, sentence) CONFIG_##type name;
#include "daemon/options.def"
#undef OPTION
    struct table_config *tables; /* in the order given */
    size_t table_count;
    struct arena arena; /* owns every text */
};

/* Every option at its default, no table. */
MUST_CHECK enum status config_new(struct config **out, struct error *e);
void config_free(struct config *config);

/* An absolute copy of a path, relative to the current folder; "" stays empty. */
MUST_CHECK enum status config_path(struct config *config, const char **out, const char *path,
                                   struct error *e);

/* Add a table, or replace the one of that name. The texts are copied; `file` is made absolute.
   ST_INVALID for a malformed name. `*table` is borrowed. */
MUST_CHECK enum status config_table(struct config *config, const char *name, const char *file,
                                    struct table_config **table, struct error *e);
struct table_config *config_table_find(const struct config *config, const char *name); /* or NULL */

/* Read a configuration file over what is set. `path` is for sentences, which are "path:line: …";
   every refusal is ST_INVALID. */
MUST_CHECK enum status config_parse(struct config *config, const char *path, const char *text,
                                    size_t n, struct error *e);
/* The same from disk; a file that cannot be read is "path: …". */
MUST_CHECK enum status config_read(struct config *config, const char *path, struct error *e);

/* What holds between options: addresses that are allowed, no more tables than max_tables. */
MUST_CHECK enum status config_check(const struct config *config, struct error *e);

/* The limits as the transport takes them. */
void config_limits(const struct config *config, struct limits *limits);
/* Threads that serve: as configured, or one for each processor that this process may use. */
unsigned config_workers(const struct config *config);
