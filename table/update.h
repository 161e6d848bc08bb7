/* SPDX-License-Identifier: Apache-2.0 */
/* One push, as far as it concerns one table: held against its rules and summed by row, before any
   parameter is looked at. The mirror of table/lookup.h.

   Numbers. The gradient of a row is the sum, in float32, of its occurrences in the order of the
   push: grad, or w * grad, or grad / (float)(ids of the bag) where rows were pooled.
   Halves are widened first. With pool_first the gradients of bags stay as they are, since they
   belong to all rows of the bag together. Unknown ids count as ids of their bag, as in a lookup. */
#pragma once

#include "base/arena.h"
#include "table/lookup.h"

/* What becomes of unknown ids. Under PUSH_ADMIT they may get rows of a table that grows; there is
   nothing for them to get in another one. */
enum push_missing { PUSH_REFUSE = 0, PUSH_SKIP = 1, PUSH_ADMIT = 2 };

/* What was pushed. Arrays are little-endian bytes of any alignment and stay where they are until
   the update is over. */
struct update_query {
    const void *ids; /* int64 [id_count] */
    size_t id_count;
    enum pooling pooling;
    const void *offsets; /* uint32 [offset_count] */
    size_t offset_count;
    const void *weights; /* float32 [weight_count] */
    size_t weight_count;
    enum vector_format format; /* F32, F16 or BF16 */
    const void *gradients;     /* [ids, or bags][dim] in that format */
    size_t gradient_bytes;
};

struct update_part; /* the rows of one set of parameters */

/* An id that was unknown when the update was prepared under PUSH_ADMIT. */
struct update_fresh {
    int64_t key;
    uint64_t times; /* that it was pushed */
    uint64_t row;   /* that it has by now, or ROW_UNKNOWN: to be set before update_settle() */
};

/* Made from one or more queries that name the same table: they are summed as if they were one. */
struct update {
    const struct table *table;
    struct update_part *part; /* those that are touched, in the order of the table; in the arena */
    size_t parts;
    size_t rows;      /* different rows, over all parts; those of bags are counted a bag each */
    uint64_t ids;     /* as pushed, repeats included: alpt's B */
    uint64_t skipped; /* unknown ids left out */
    bool counted;     /* the caller's: applying it adds its ids to the table's frequency, if any */
    int64_t seconds;  /* since 1970, when the push was logged: of rows of a table that grows */
    /* Each once, in the order of the push. Until update_settle() they have the rows N, N + 1, …,
       and count as skipped. */
    struct update_fresh *fresh;
    size_t fresh_count;
    /* Those that get a row by this very push; room for all of `fresh`. The writer's. */
    int64_t *admitted_key;
    uint64_t *admitted_row;
    size_t admitted;
};

/* The rows of one part, numbered within the part, in the order of first touch; with pool_first,
   what was pooled stands in bags instead, in the order of the push. */
struct update_bag {
    const uint64_t *row;
    const float *weight; /* or NULL */
    size_t n;
    float divisor;
    const float *gradient; /* [D] */
};
struct update_part {
    size_t part; /* place in table->part */
    const uint64_t *row;
    const float *gradient; /* [rows][D] */
    const uint32_t *times; /* [rows] how often the push names each; NULL without a frequency */
    size_t rows;
    const struct update_bag *bag; /* each of whose rows is named once more */
    size_t bags;
};

struct update_limits {
    float max_norm; /* of a row's summed gradient (of a bag's, with pool_first), L2; 0: none */
};

/* What an update takes from its arena: about 120 bytes for each id, 72 more for each fresh one, 48
   for each part of the table, and D float32 for each different row and for each bag of a table with
   pool_first. A few pooled gradients may so become many rows: the arena's cap is what bounds them.
 */

/* Check the queries and sum them; memory from `arena`, which may be given up after a refusal.
   Refusals name the item and the rule: ST_INVALID (count of gradients, offsets, weights, enums, NaN
   or infinity, a norm above max_norm, a sum that is not finite), ST_RANGE (an unknown id under
   PUSH_REFUSE), ST_PRECONDITION (one under PUSH_ADMIT, and the table does not grow), ST_EXHAUSTED
   (memory). `*at` is the place of the query that was refused. Whether the table can be trained is
   not asked here. */
MUST_CHECK enum status update_prepare(struct update *u, const struct table *t,
                                      const struct update_query *query, size_t count,
                                      enum push_missing missing, const struct update_limits *limits,
                                      struct arena *arena, size_t *at, struct error *e);

/* Fresh ids take the rows that they have by now; those without one are left out. */
void update_settle(struct update *u);

/* L2 norm, summed in double in an order of its own; NaN or infinity if an element is. */
double gradient_norm(const float *gradient, size_t n);
