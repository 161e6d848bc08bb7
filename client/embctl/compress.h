/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of `embctl compress`: what is compressed, one method's try, the report. One thread. */
#pragma once

#include "client/embctl/compress_input.h"
#include "client/embctl/document.h"
#include "client/embctl/words.h"
#include "table/table.h"

#define SUMMARY_TEXT 400

/* The same for every method that is tried. */
struct compression {
    const struct arguments *a;
    struct input in;
    struct words words;
    uint64_t *first; /* of the fields */
    struct fields fields;
    uint64_t budget, seed;
    const char *optimizer; /* as in struct begin */
};

struct attempt {
    const struct method *method;
    struct value chosen[METHOD_SETTINGS_MAX];
    struct fit options; /* of the fit */
    /* What came of it. */
    enum status st;
    struct error e;
    uint64_t need; /* the least, where the budget was too small */
    struct fit_error error;
    struct table_created file;
    uint64_t work;
    double seconds;
    char summary[SUMMARY_TEXT]; /* of the settings */
};

/* Take the settings and options that are the method's; with `some`, others are not its business.
   -1, or the exit status. Release with attempt_done() in any case. */
int attempt_init(struct attempt *t, const struct compression *c, const struct method *m, bool some);
void attempt_done(struct attempt *t);
/* Read every value once, so that bad ones are the input's fault and no method's. */
MUST_CHECK enum status check_values(const struct compression *c, struct error *e);
/* Compress into a file at `path`, telling progress under the label; t->st and so on are the
   outcome. ST_CANCELLED after Ctrl-C. Nothing is left behind on failure. */
void attempt_run(struct attempt *t, const struct compression *c, const char *path,
                 const char *label);

/* What was made, from the finished file and the attempt. Returns the exit status. */
int compress_report(const struct compression *c, const struct attempt *t, const char *output);
/* "relative_squared_error" and so on. */
void json_errors(struct document *j, const struct compression *c, const struct fit_error *error);

/* Hold --methods and --set against each other: -1, or the exit status. */
int search_check(const struct compression *c);
/* Try many methods, print the ranking, keep the best at --output if that is given. */
int compress_search(struct compression *c);
