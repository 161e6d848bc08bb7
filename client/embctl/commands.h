/* SPDX-License-Identifier: Apache-2.0 */
/* The commands, each in the file of its name. */
#pragma once

#include "client/embctl/command.h"

extern const struct command command_tables;
extern const struct command command_describe;
extern const struct command command_lookup;
extern const struct command command_push;
extern const struct command command_position;
extern const struct command command_forget;
extern const struct command command_load;
extern const struct command command_unload;
extern const struct command command_save;
extern const struct command command_restore;
extern const struct command command_checkpoints;
extern const struct command command_drop;
extern const struct command command_counts;
extern const struct command command_stats;
extern const struct command command_top;
extern const struct command command_health;
extern const struct command command_bench;
extern const struct command command_methods;
extern const struct command command_plan;
extern const struct command command_compress;
extern const struct command command_import;
extern const struct command command_create;
extern const struct command command_inspect;
extern const struct command command_verify;
extern const struct command command_explain;
extern const struct command command_export;
