/* SPDX-License-Identifier: Apache-2.0 */
/* One table's part of a lookup call, in three steps: prepare (validate, resolve ids, size the
   reply), let the caller lay out the reply, then run in slices that write finished rows in place. A
   slice needs nothing but the lookup and its place, so slices may run on any thread and in any
   order.

   Numbers. All is float32, one operation rounded at a time. A bag is one sum a column that starts
   at +0: acc += row, or acc += w * row, in the order of the ids; MEAN divides it by (float)(number
   of ids) at the end. Unknown ids count like rows, with the table's default row, also in the
   divisor; an empty bag is all +0. Where the method pools first (compo with pool = pool_first), the
   bag is taken part by part, in the order of the parts: acc += method->pool(its known rows,
   divisor), or the sum of rows as above (divided by the bag's divisor) for a part that does not
   pool first; at last, if ids are unknown, acc += default * (their number, or the sum of their
   weights in order), divided likewise. */
#pragma once

#include "base/arena.h"
#include "table/table.h"

enum pooling { POOLING_NONE = 0, POOLING_SUM = 1, POOLING_MEAN = 2 };
enum vector_format { FORMAT_F32 = 0, FORMAT_F16 = 1, FORMAT_BF16 = 2, FORMAT_INT8 = 3 };
enum missing_policy { MISSING_FILL = 0, MISSING_ERROR = 1 };

/* What was asked. Arrays are little-endian bytes of any alignment and stay where they are until the
   lookup is over. */
struct lookup_query {
    const void *ids; /* int64 [id_count] */
    size_t id_count;
    enum pooling pooling;
    const void *offsets; /* uint32 [offset_count]: bags + 1 with pooling, none without */
    size_t offset_count;
    const void *weights; /* float32 [weight_count]: one an id with SUM, or none */
    size_t weight_count;
    enum vector_format format;
    enum missing_policy missing;
};

struct lookup_group {
    uint64_t *row;  /* [id_count] number within the part; undefined for unknown ids */
    uint32_t *part; /* [id_count], part_count for unknown ids */
    float *weight;  /* [id_count], or NULL without weights */
};

struct lookup {
    const struct table *table;
    struct lookup_query query;
    uint64_t *row; /* [id_count], ROW_UNKNOWN where unknown; in the arena */
    /* Only when bags must go through method->pool and not all ids of all bags belong to one set of
       parameters: the ids of each bag sorted by part, in their order within a part, unknown ones
       last. */
    struct lookup_group *group;
    uint32_t *missing; /* [missing_count] positions of unknown ids, ascending; in the arena */
    size_t missing_count;
    size_t rows;      /* rows of the reply: ids, or bags */
    size_t row_bytes; /* bytes of one row in the asked format */
    uint64_t work;    /* multiply-adds of the whole lookup */
};

/* Bytes of one row of `dim` columns in a format. */
size_t format_row_bytes(enum vector_format format, uint32_t dim);

/* Validate the query and resolve its ids; memory from `arena`. Refusals (ST_INVALID for offsets,
   weights, enums; ST_RANGE for an unknown id under MISSING_ERROR; ST_EXHAUSTED when the arena is
   full) name the first bad item. An F16 reply rounds to nearest even. */
MUST_CHECK enum status lookup_prepare(struct lookup *l, const struct table *table,
                                      const struct lookup_query *query, struct arena *arena,
                                      struct error *e);

/* How many rows of the reply from `first` on make a slice of about `ids` ids (at least one row
   while any is left; a long bag is one slice). */
size_t lookup_slice(const struct lookup *l, size_t first, size_t ids);

/* The ids of `n` rows of the reply from `first` on: `*count` of them from `*from` on. */
void lookup_ids(const struct lookup *l, size_t first, size_t n, size_t *from, size_t *count);

/* Memory that a running thread needs: a few rows, 16 KiB or 5 rows, whichever is more. Starts
   zeroed, may go from table to table. */
struct lookup_scratch {
    float *room;
    size_t floats;
};
MUST_CHECK enum status lookup_scratch_grow(struct lookup_scratch *s, size_t dim, struct error *e);
void lookup_scratch_done(struct lookup_scratch *s);

/* Write rows [first, first + n) to `out`, n * row_bytes bytes of any alignment. ST_DATA_LOSS if the
   table's file was found damaged: what was written must be thrown away. */
MUST_CHECK enum status lookup_run(const struct lookup *l, size_t first, size_t n, void *out,
                                  struct lookup_scratch *scratch, struct error *e);

struct cache;

/* Whether a cache of rows is of use: not for bags that are pooled before they are composed. */
bool lookup_may_cache(const struct lookup *l);
/* The same through a cache of the table's rows, in the moment that it was begun with. Ends early
   when at least `most` rows have been decoded, after a bag's end: *n is then the number of rows
   that were written, at least one. `*decoded` is how many were decoded. */
MUST_CHECK enum status lookup_run_cached(const struct lookup *l, struct cache *cache, size_t first,
                                         size_t *n, size_t most, size_t *decoded, void *out,
                                         struct lookup_scratch *scratch, struct error *e);
