/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of one served table: the keys that `table` sections, --table and the call Load share. No
   state; any thread. */
#pragma once

#include "base/region.h"
#include "base/status.h"
#include "table/catalog.h"
#include "table/growth.h"
#include "table/optimizer_settings.h"

#define TABLE_OPTIMIZER_OPTIONS 16 /* more than there are */
#define TABLE_OPTIMIZER_BYTES 1024 /* of their keys and values */

struct table_settings {
    enum region_mode memory;     /* of a trainable table, map is as copy */
    struct cache_size cache;     /* of decoded rows */
    bool interval;               /* durability=interval: pushes are answered before the sync */
    enum table_count count;      /* goes with an optimizer */
    struct growth_limits growth; /* of a table that grows */
    bool reset_optimizer;        /* another optimizer than the one of the state may begin anew */
    /* What is said of the optimizer: key, NUL, value, NUL, and so on, sorted by key. */
    char optimizer[TABLE_OPTIMIZER_BYTES];
    size_t optimizer_bytes;
};

/* The keys, sorted. */
extern const char *const table_option_keys[];
extern const size_t table_option_count;

/* The settings when nothing is said. */
void table_settings_init(struct table_settings *s);
/* Set one key from text. ST_INVALID for an unknown key (the nearest is named) or a bad value. */
MUST_CHECK enum status table_settings_set(struct table_settings *s, const char *key,
                                          const char *value, struct error *e);
/* The value of `count` as text, constant. */
const char *table_count_name(enum table_count count);
/* What is said of the optimizer, for optimizer_settings_merge(). Returns how many; they point into
   `s`. */
size_t table_settings_optimizer(const struct table_settings *s,
                                struct optimizer_option out[TABLE_OPTIMIZER_OPTIONS]);
/* Whether the same is said, in the same words. */
bool table_settings_same(const struct table_settings *a, const struct table_settings *b);

/* The settings as a JSON object with sorted keys, as the log keeps them. Of a trainable table also
   what they came to, `trained`, under the key "trained" (else NULL): so the log can be replayed
   without the file that has the rest. `*out` is yours (mem_free). */
MUST_CHECK enum status table_settings_write(char **out, const struct table_settings *s,
                                            const struct optimizer_settings *trained,
                                            struct error *e);
/* Read what table_settings_write() wrote, also by a later version with more keys: those are refused
   by name. */
MUST_CHECK enum status table_settings_read(struct table_settings *s, const char *json,
                                           struct error *e);
/* Read what they came to: ST_NOT_FOUND if it is not there. `*out` is yours. */
MUST_CHECK enum status table_settings_trained(struct optimizer_settings *out, const char *json,
                                              struct error *e);
