/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of dedup's fit share. The table's blocks are read into a store, each different one
   once; then alike ones are replaced, then near ones merged, until the budget is met; at last every
   block becomes the weighted mean of the places that have it. */
#pragma once

#include "fits/scan.h"
#include "methods/dedup.h"

enum { DEDUP_FP, DEDUP_SIM, DEDUP_LSH_THRESHOLD }; /* options */

struct dedup_work {
    const struct fit *fit;
    struct dedup_cut cut;
    size_t places, size; /* of the map; floats of a block */
    uint32_t *entry;     /* [places]: which different block stands there, by first appearance */
    size_t entries;
    uint32_t *owner; /* [entries]: the block of the store that stands for it */
    float *store;    /* [count][size] blocks in hand, padding is 0 */
    double *weight;  /* [count][bx]: weights of the rows that a block stands for, summed */
    uint32_t *place; /* [count]: where a block was read first */
    size_t count;
    size_t target; /* blocks that there may be */
    double told;   /* progress, which never falls */
};

/* Rows that nobody weighs count this much, so that a block of theirs is still their mean. */
#define DEDUP_NO_WEIGHT 1e-30

static inline double dedup_weight(const struct dedup_work *k, uint64_t row)
{
    float w = fit_weight(k->fit, row);

    return w > 0 ? (double)w : DEDUP_NO_WEIGHT;
}

/* The table, a row of places at a time: bx rows, the last ones maybe fewer. */
struct dedup_bands {
    const struct dedup_work *work;
    struct scan scan;
    size_t used; /* rows of the scan's block that were taken */
    float *rows; /* [n][dim] */
    size_t n;    /* 0: the table is through */
    uint64_t down;
};
MUST_CHECK enum status dedup_bands_open(struct dedup_bands *b, const struct dedup_work *k,
                                        double from, double to, struct error *e);
void dedup_bands_close(struct dedup_bands *b);
MUST_CHECK enum status dedup_bands_next(struct dedup_bands *b, struct error *e);
/* Copy the block of a place; padding is 0. */
void dedup_block(const struct dedup_bands *b, uint64_t across, float *out);

/* Read the table and find its different blocks: store, entry, owner and weight. Progress of the
   whole fit up to `to`. */
MUST_CHECK enum status dedup_read(struct dedup_work *k, double to, struct error *e);
void dedup_work_done(struct dedup_work *k);
/* Report progress that never falls. */
MUST_CHECK enum status dedup_tell(struct dedup_work *k, double done, struct error *e);
/* Take blocks out of the store: block i becomes block to[i], which stays itself. */
void dedup_compact(struct dedup_work *k, uint32_t *to);

/* The authors' way: blocks of which the share `sim` of all elements is within `fp` of one that is
   kept are replaced by it, until the target is reached. */
MUST_CHECK enum status dedup_replace(struct dedup_work *k, double fp, double sim,
                                     unsigned threshold, double from, double to, struct error *e);
/* Ours: merge nearest blocks, cheapest first, until the target is reached. */
MUST_CHECK enum status dedup_merge(struct dedup_work *k, double from, double to, struct error *e);
/* Places change to a nearer block where there is time to look for one; blocks become means. Writes
   the parameters. */
MUST_CHECK enum status dedup_settle_blocks(struct dedup_work *k, struct parameters *p, double from,
                                           struct error *e);

/* Nearest of `many` blocks to each of n points by squared distance, through BLAS. `own`: the points
   are the first n blocks from `skip` on, and none is its own neighbour. `room` holds DEDUP_TILE^2
   floats. */
#define DEDUP_TILE 1024
void dedup_nearest(const float *points, size_t n, const float *blocks, const float *norm,
                   size_t many, size_t size, bool own, size_t skip, float *room, uint32_t *nearest,
                   float *distance);
