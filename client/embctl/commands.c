/* SPDX-License-Identifier: Apache-2.0 */
/* The list of commands. */
#include "client/embctl/commands.h"

const struct command *const commands[] = {
    &command_tables,  &command_describe,    &command_lookup,
    &command_push,    &command_position,    &command_forget,
    &command_load,    &command_unload,      &command_save,
    &command_restore, &command_checkpoints, &command_drop,
    &command_counts,  &command_stats,       &command_top,
    &command_health,  &command_bench,       &command_methods,
    &command_plan,    &command_compress,    &command_create,
    &command_import,  &command_inspect,     &command_verify,
    &command_explain, &command_export,      NULL,
};
