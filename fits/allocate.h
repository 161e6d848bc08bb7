/* SPDX-License-Identifier: Apache-2.0 */
/* Sharing a budget among fields, each of which can be had in several sizes, so that the sum of
   their errors is small. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

struct choice {
    uint64_t bytes;
    double error;
    uint64_t kept;  /* what it means: rows, where some are left out, */
    uint32_t width; /* and columns; 0: the field stays full */
};

/* Begins zeroed. */
struct choices {
    struct choice *choice;
    size_t count, room;
    size_t taken; /* by choices_take() */
};

MUST_CHECK enum status choices_add(struct choices *c, struct choice choice, struct error *e);
void choices_done(struct choices *c);
/* Sort by bytes and leave out what costs as much as another and is no better; with `hull`, also
   what a mixture of two others beats. */
void choices_prune(struct choices *c, bool hull);

/* Take one of each (at least one each). First the cheapest, whatever the budget; then what lowers
   the error most for its bytes, and at last, with what is left, what lowers it most. The result is
   that of the best mixture but for the last few steps; for one field alone it is the best. */
MUST_CHECK enum status choices_take(struct choices *field, size_t fields, uint64_t budget,
                                    struct error *e);
