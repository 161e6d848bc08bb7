/* SPDX-License-Identifier: Apache-2.0 */
/* A table from nothing: what a command line or a call says of it becomes a layout, and the layout a
   file of random parameters to train from. Every refusal is a sentence for whoever wrote the words.
   No state; any thread. */
#pragma once

#include "methods/plan.h"
#include "table/create.h"
#include "table/optimizer_settings.h"

struct begin_setting {
    const char *key, *text; /* "collisions", "12" */
};

/* The words. All is borrowed; zeros are what was not said. */
struct begin {
    const char *method;
    uint64_t rows; /* N; of all fields together, where there are any */
    uint32_t dim;  /* D */
    /* Of the method's tensors, one of the two or neither: then the natural size. */
    uint64_t budget;       /* bytes */
    double ratio;          /* of the float32 table */
    const uint64_t *field; /* rows of each field */
    size_t field_count;
    const struct begin_setting *setting; /* of the method; the last of a key wins */
    size_t setting_count;
    double deviation; /* of the rows' elements (methods/init.h); 0: the method's own */
    /* A name or a JSON object as in embd.optimizer, and the options of a table over it. */
    const char *optimizer;
    const struct optimizer_option *option;
    size_t option_count;
    /* keys, hashed_ids, fallback, frequency, seed; an origin that is not said is "create". Its
       optimizer is not read. Where the frequency is known, it weighs the rows. */
    struct table_extras extras;
    /* The table grows: `extras.keys` are the ids of the first `key_count` rows, touched at `now`
       (seconds since 1970); the other rows are spare. */
    bool grows;
    uint64_t key_count;
    int64_t now;
    /* Asked now and then with the share of rows that is drawn; false stops with ST_CANCELLED. May
       be NULL. */
    bool (*progress)(void *context, double done);
    void *context;
};

/* What will be made. */
struct beginning {
    struct layout layout; /* made */
    uint64_t *first;      /* of its fields */
    char *optimizer;      /* embd.optimizer, or NULL */
};

/* Understand the words and plan the table, without making anything. ST_NOT_FOUND: no such method;
   ST_PRECONDITION: one that cannot be trained; ST_INVALID: bad words, sizes, an optimizer that does
   not suit the method, a budget that cannot be reached (with the least need). Release with
   begin_done(), also after a failure. */
MUST_CHECK enum status begin_plan(struct beginning *b, const struct begin *how, struct error *e);
void begin_done(struct beginning *b);
/* Make the file: parameters drawn by method->init, the same seed giving the same bytes. Nothing is
   left behind on failure. `how` is what was planned by; `created` may be NULL. */
MUST_CHECK enum status begin_create(const char *path, const struct beginning *b,
                                    const struct begin *how, struct table_created *created,
                                    struct error *e);

/* Parts of it, for those who plan for other ends. */

/* Bytes of a share of a table in float32; at least 1. The least bit more than the product, so that
   0.27 of a table is what people compute it to be. ST_INVALID unless the ratio is above 0. */
MUST_CHECK enum status begin_budget(uint64_t *budget, double ratio, uint64_t rows, uint32_t dim,
                                    struct error *e);
/* Settings by their texts, to value [METHOD_SETTINGS_MAX], zeroed or filled before. Release the
   lists with begin_settings_done(), also after a failure. */
MUST_CHECK enum status begin_settings(struct value *value, const struct method *m,
                                      const struct begin_setting *setting, size_t count,
                                      struct error *e);
void begin_settings_done(struct value *value);
/* embd.optimizer of these words (as in struct begin), held against a made layout; NULL if they name
   none. `*out` is yours (mem_free). */
MUST_CHECK enum status begin_optimizer(char **out, const struct layout *l, const char *optimizer,
                                       const struct optimizer_option *option, size_t count,
                                       struct error *e);
/* Places of fields, first [count + 1], by their rows; ST_INVALID if these do not add up to `rows`.
   `*first` is yours (mem_free). */
MUST_CHECK enum status begin_fields(uint64_t **first, const uint64_t *field, size_t count,
                                    uint64_t rows, struct error *e);
