/* SPDX-License-Identifier: Apache-2.0 */
/* Filling a pruned table: the entries that it has room for are those of the largest magnitude,
   times the root of their row's weight. No other choice leaves a smaller weighted error. */
#pragma once

#include "fits/scan.h"

/* Columns that some rows keep whatever their values. */
struct prune_whole {
    /* Of a row, [dim]: whether the column is kept. */
    const bool *(*columns)(const void *context, const struct scan *s, size_t i);
    const void *context;
    uint64_t entries; /* of all rows; no more than the table has room for */
};

/* Fill `p` to its last entry; `whole` may be NULL. Three passes, which are the part [from, 1] of
   the work. */
MUST_CHECK enum status prune(const struct fit *fit, struct parameters *p,
                             const struct prune_whole *whole, double from, struct error *e);
/* method->fit by magnitude alone. */
MUST_CHECK enum status prune_by_magnitude(const struct fit *fit, struct parameters *p,
                                          struct error *e);
