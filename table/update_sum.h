/* SPDX-License-Identifier: Apache-2.0 */
/* Between update.c, which gives rows their places, and update_sum.c, which sums into them. All
   memory is the arena. */
#pragma once

#include "base/hash.h"
#include "table/bags.h"
#include "table/update.h"

/* One query. */
struct source {
    const struct update_query *query;
    struct bags bags;
    uint64_t *row; /* [id_count] row of the table, then its place; ROW_UNKNOWN: nothing to sum */
    struct lookup_group *group; /* of pooled ids, where parts pool first; or NULL */
    float *gradient;            /* with `group`: [bags][dim] */
    bool modest;                /* each gradient is far within the limit, as it was pushed */
};

struct summing {
    struct update *u;
    const struct table *t;
    size_t dim;
    struct arena *arena;
    float max_norm;
    bool pool_first; /* some part of the table does */
    struct source *source;
    size_t sources;

    /* Places: in the order of first touch. */
    uint64_t *row;   /* [rows] row of the table */
    uint32_t *times; /* [rows] how often it was named; NULL: nobody counts */
    bool *again;     /* [rows] whether it was named more than once */
    size_t rows, repeats;
    uint32_t *bucket; /* place + 1 */
    size_t last_bucket;
    struct hash_secret secret;

    /* Fresh ids: u->fresh. */
    uint32_t *fresh_bucket; /* place + 1 */
    size_t last_fresh;

    /* Slots: places sorted by part. */
    uint32_t *slot;        /* [rows] of a place; NULL in a table of one part: they are the same */
    uint32_t *slot_times;  /* [rows] of a slot; with `times` */
    const uint64_t *local; /* [rows] number of the slot's row within its part */
    const float *sum;      /* [rows][dim] */
    size_t begun;          /* sums of the places before it are begun */
    struct update_bag *bag;
    size_t *row_start, *bag_start; /* [parts + 1] first slot, and first bag, of each part */
};

static inline size_t slot_of(const struct summing *s, uint64_t place)
{
    return s->slot ? s->slot[place] : (size_t)place;
}

/* The ids of one bag that one part takes together, one run after the other. Begins zeroed. */
struct bag_run {
    size_t bag, at, end; /* at, end: places in the group */
    size_t part;
};
bool bag_run_next(struct bag_run *run, const struct summing *s, const struct source *from);

/* Whether it is easily seen that each of `rows` gradients is finite and far within the limit. */
bool gradients_modest(const void *gradients, size_t rows, size_t dim, enum vector_format format,
                      float max_norm);
/* Place of the first of `n` elements that is not finite; n if all are. */
size_t gradients_check(const void *gradients, size_t n, enum vector_format format);
/* Sum the rows and fill the bags. False if the arena has no room. */
bool sum_all(struct summing *s);
/* Hold what was summed against the limit, and look for sums that are not finite. */
MUST_CHECK enum status sum_check(const struct summing *s, size_t *at, struct error *e);
