/* SPDX-License-Identifier: Apache-2.0 */
/* The options of options.def as data: looked up by name, set from text. No state; a configuration
   belongs to one thread while it is set. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct config;

enum option_type {
    OPTION_PATH,      /* const char *, absolute; "" stays empty */
    OPTION_ADDRESS,   /* const char * */
    OPTION_ADDRESSES, /* struct text_list */
    OPTION_BOOL,      /* bool */
    OPTION_COUNT,     /* uint64_t */
    OPTION_REAL,      /* double */
    OPTION_BYTES,     /* uint64_t */
    OPTION_DURATION,  /* uint64_t, microseconds */
    OPTION_LEVEL,     /* enum log_level */
    OPTION_ISA        /* const char *, "auto" or what kernels_init() takes */
};

struct option_info {
    const char *name;
    enum option_type type;
    const char *fallback; /* the default, as text */
    const char *least, *most;
    const char *sentence;
    size_t offset; /* in struct config */
};

extern const struct option_info options[];
extern const size_t option_count;

const struct option_info *option_find(const char *name); /* NULL if there is none */

/* Set one option from text. For a list, `first` says that this value begins it anew, else the value
   is added. ST_INVALID with a sentence that begins with the option's name, or ST_EXHAUSTED. */
MUST_CHECK enum status option_set(struct config *config, const struct option_info *option,
                                  const char *value, bool first, struct error *e);

/* Whether two configurations say the same of an option. */
bool option_same(const struct config *a, const struct config *b, const struct option_info *option);

/* The most similar of `count` names that are `stride` bytes apart, or NULL if none is similar: for
   "unknown option" sentences. */
const char *nearest_name(const char *word, const char *const *names, size_t count, size_t stride);
