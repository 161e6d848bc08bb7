/* SPDX-License-Identifier: Apache-2.0 */
/* What a reader of a load's numbers should know beside them, as sentences. */
#pragma once

#include "client/load/load.h"

#define NOTES_MAX 8

struct load_notes {
    struct error note[NOTES_MAX];
    unsigned count;
};

/* None if all is well. */
void load_notes(struct load_notes *notes, const struct load_plan *plan,
                const struct load_result *r);
/* ST_OK if calls were made and all went well, else a sentence that says how many did not, with the
   first one's own; the status is that of the first kind of failure. */
MUST_CHECK enum status load_verdict(const struct load_result *r, struct error *e);
