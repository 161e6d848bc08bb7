/* SPDX-License-Identifier: Apache-2.0 */
/* What lookups and pushes have in common: ids, whether and how they are pooled, and weights. No
   state; any thread. */
#pragma once

#include "base/arena.h"
#include "table/lookup.h"

/* Little-endian bytes of any alignment, as in struct lookup_query. */
struct bags {
    const void *ids;
    size_t id_count;
    enum pooling pooling;
    const void *offsets;
    size_t offset_count;
    const void *weights;
    size_t weight_count;
};

/* Hold pooling, offsets and weights against their rules; ST_INVALID names the first bad item. */
MUST_CHECK enum status bags_check(const struct bags *b, struct error *e);
/* Of bags that were checked: rows of the reply (ids, or bags); the place where bag `i` begins; the
   weight of an id, which must have one. */
size_t bags_rows(const struct bags *b);
uint32_t bags_offset(const struct bags *b, size_t i);
float bags_weight(const struct bags *b, size_t i);

/* ST_RANGE for the id at `place`, which is not in the table. */
MUST_CHECK enum status bags_refuse_id(const struct bags *b, const struct table *t, size_t place,
                                      struct error *e);

/* Whether some set of parameters of the table pools before it composes. */
bool bags_pool_first(const struct table *t);
/* The ids of each bag sorted by part, in their order within a part, unknown ones (ROW_UNKNOWN in
   `row` [id_count]) last. NULL if the arena has no room for it: BAGS_GROUP_BYTES an id. */
#define BAGS_GROUP_BYTES ((size_t)24)
struct lookup_group *bags_group(const struct bags *b, const struct table *t, const uint64_t *row,
                                struct arena *arena);
