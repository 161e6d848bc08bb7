/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of one served table: the keys that `table` sections, --table and the call Load share. No
   state; any thread. */
#pragma once

#include "base/region.h"
#include "base/status.h"

struct table_settings {
    enum region_mode memory;
};

#define TABLE_SETTINGS_JSON 64 /* room for the longest JSON object of the settings */

/* The settings when nothing is said. */
void table_settings_init(struct table_settings *s);
/* Set one key from text. ST_INVALID for an unknown key (the nearest is named) or a bad value. */
MUST_CHECK enum status table_settings_set(struct table_settings *s, const char *key,
                                          const char *value, struct error *e);
/* The settings as a JSON object with sorted keys, as the log keeps them. Returns `out`. */
const char *table_settings_write(const struct table_settings *s, char out[TABLE_SETTINGS_JSON]);
/* Read what table_settings_write() wrote, also by a later version with more keys: those are refused
   by name. */
MUST_CHECK enum status table_settings_read(struct table_settings *s, const char *json,
                                           struct error *e);
