/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of a table's optimizer as people and files write them: the JSON object
   `embd.optimizer`, and the options of a table, whose keys are the same (methods.md 21.5) except
   that there `name` is called `optimizer` and `step` cannot be set. No state; any thread. */
#pragma once

#include "methods/optimizer.h"

/* A setting is a number that float32 can hold, so that no step begins with infinity. */

/* Read the object; absent keys have their defaults. ST_INVALID with a sentence that begins with the
   key. Whether the tensors that it names exist is for the caller, who knows them. `tokens`: most
   JSON tokens, 0 for the default. `*out` is yours (optimizer_settings_done). */
MUST_CHECK enum status optimizer_settings_read(struct optimizer_settings *out, const char *json,
                                               uint64_t tokens, struct error *e);
/* The object with all settings and `step`, keys sorted, without spaces; reading it back gives the
   same settings to the bit, and equal settings give equal texts. A scale_lr that nobody gave is
   not written. `*out` is yours (mem_free). The
   optimizer must be set. */
MUST_CHECK enum status optimizer_settings_write(char **out, const struct optimizer_settings *s,
                                                struct error *e);
void optimizer_settings_done(struct optimizer_settings *s); /* the list of exceptions */
MUST_CHECK enum status optimizer_settings_copy(struct optimizer_settings *out,
                                               const struct optimizer_settings *s, struct error *e);
/* Whether two tables would be trained alike: everything but `step`. */
bool optimizer_settings_equal(const struct optimizer_settings *a,
                              const struct optimizer_settings *b);

/* Whether an option of a table belongs to its optimizer: "optimizer", "learning_rate", … */
bool optimizer_option_known(const char *key);
/* Set one by its text: a number, a word, or for `tensors` a JSON object, which replaces all
   exceptions. After a refusal `s` is as before. */
MUST_CHECK enum status optimizer_settings_set(struct optimizer_settings *s, const char *key,
                                              const char *text, struct error *e);

struct optimizer_option {
    const char *key, *text;
};
/* The settings of a file (NULL, or without an optimizer: it has none) with options over them, in
   order. Where neither names an optimizer and there are no options, so does the result
   (out->optimizer NULL: read-only). ST_INVALID for a bad option, for options without an optimizer,
   and for another optimizer than the file's, whose state would not fit, unless `reset`: then the
   state begins anew and `step` is 0. `*out` is yours. */
MUST_CHECK enum status optimizer_settings_merge(struct optimizer_settings *out,
                                                const struct optimizer_settings *file,
                                                const struct optimizer_option *option, size_t count,
                                                bool reset, struct error *e);
