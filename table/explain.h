/* SPDX-License-Identifier: Apache-2.0 */
/* How a table answers one id: the way from the id to its row, and the facts of the method. */
#pragma once

#include "methods/explain.h"
#include "table/table.h"

struct explained {
    bool known;     /* else the id gets the default row and there are no facts */
    uint64_t row;   /* of the table */
    bool has_field; /* the table has fields: … */
    size_t field;   /* … the row belongs to this one … */
    uint64_t local; /* … where it is this row */
    const struct parameters *part;
    struct explanation facts;
    float *values; /* [dim] the resulting row */
};

/* Explain `id`. `scan_most` as in struct explanation. ST_EXHAUSTED is the only failure; release
   with explained_done() in any case. Any thread, as a lookup. */
MUST_CHECK enum status table_explain(struct explained *out, const struct table *t, int64_t id,
                                     uint64_t scan_most, struct error *e);
void explained_done(struct explained *x);

/* "shared with 3 other rows", "its own": for people. */
const char *sharers_text(char *out, size_t size, uint64_t sharers);
