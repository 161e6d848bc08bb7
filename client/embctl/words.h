/* SPDX-License-Identifier: Apache-2.0 */
/* What plan, compress and create are told of a table to make: budget, fields, settings. */
#pragma once

#include "client/embctl/command.h"
#include "fits/fit.h"
#include "table/begin.h"

/* The options that words_read() reads, for the lists of the commands. */
#define OPTION_RATIO                                                                               \
    {                                                                                              \
        "ratio", 'r', "R", "budget as a share of the float32 table, such as 0.25"                  \
    }
#define OPTION_BUDGET                                                                              \
    {                                                                                              \
        "budget", 'b', "SIZE", "budget in bytes, such as 64MiB"                                    \
    }
#define OPTION_FIELDS                                                                              \
    {                                                                                              \
        "fields", 'f', "LIST", "rows of each field: 3,4,5, or a file: rows.json, @rows.txt"        \
    }
#define OPTION_SET                                                                                 \
    {                                                                                              \
        "set", 0, "KEY=VALUE", "a setting of the method; may be repeated"                          \
    }

struct words {
    double ratio;    /* 0: none */
    uint64_t budget; /* 0: none */
    uint64_t *field;
    size_t field_count;
    uint64_t field_rows; /* of all fields */
    struct begin_setting *setting;
    size_t setting_count;
};

/* Returns -1 to go on, or the exit status: the sentence is printed. Release with words_done() in
   any case. */
int words_read(struct words *w, const struct arguments *a);
void words_done(struct words *w);
/* --rows, or what the fields have together, and --dim. -1 or the exit status. */
int words_size(uint64_t *rows, uint32_t *dim, const struct words *w, const struct arguments *a);
/* The budget in bytes for a table of this size; 0: none. */
uint64_t words_budget(const struct words *w, uint64_t rows, uint32_t dim);
/* The settings as a method understands them: value [METHOD_SETTINGS_MAX], zeroed, and with a fit
   the options of its own; without one these are unknown, too. With `some`, settings of other
   methods are passed over. -1 or the exit status. Release with begin_settings_done() in any case.
 */
int words_settings(struct value *value, struct fit *fit, const struct words *w,
                   const struct method *m, bool some, const struct arguments *a);
/* --seed, and --optimizer as in struct begin, its words held against their rules. -1 or the exit
   status. */
int words_seed(uint64_t *seed, const struct arguments *a);
int words_optimizer(const char **out, const struct arguments *a);
