/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of dhe's fit share. The network is trained on rows of the table (distillation),
   with normalisation by the batch in hand; then the statistics that lookups use are taken over the
   table, layer by layer, and the last layer, which is linear, is solved for. One thread, beside
   those of BLAS. */
#pragma once

#include <float.h>

#include "fits/fit.h"
#include "methods/dhe.h"

/* Which rows make a batch: each as often as its weight says, in an order drawn anew for each pass
   over the table. */
struct dhe_order {
    uint64_t rows;
    const float *weight; /* NULL: all the same */
    double *sum;         /* [rows] weights up to and with the row; NULL */
    uint64_t key;
};
/* The row of the i-th place. */
uint64_t dhe_order_row(const struct dhe_order *o, uint64_t i);

struct dhe_trainer {
    const struct fit *fit;
    struct parameters *p;
    struct dhe_order order;
    size_t k, width, dim, batch;
    double *small; /* dhe_small() */

    /* Of the table's columns: what a target is taken off and multiplied by, and how much its error
       counts. */
    double *mean, *deviation;
    float *importance;

    /* The trained tensors one after the other: gradients, and Adam's two means. */
    size_t count;
    float *gradient, *moment; /* [count], [2][count] */
    uint64_t steps;           /* done */

    /* A batch: [batch] rows each. */
    uint64_t *id;
    float *input, *normal[DHE_HIDDEN], *bent[DHE_HIDDEN], *back, *other, *out, *target;
    float *activations;               /* what they are parts of */
    float *inverse, *shift;           /* [DHE_HIDDEN][width], [width] */
    double *sum, *squares, *equation; /* [width], [width], a few rows of width + 1 + dim */

    uint64_t told_us; /* when progress was told last */
};

/* Every stored number is finite, whatever the table's are. */
static inline float dhe_float(double x)
{
    return (float)(x > FLT_MAX ? FLT_MAX : x < -FLT_MAX ? -FLT_MAX : x);
}

#define DHE_EQUATIONS 256 /* rows in `equation` */

/* Memory for all of it, the start of the network included. dhe_trainer_done() releases it, also
   after a failure. */
MUST_CHECK enum status dhe_trainer_init(struct dhe_trainer *t, const struct fit *fit,
                                        struct parameters *p, size_t batch, struct error *e);
void dhe_trainer_done(struct dhe_trainer *t);
/* Tell progress, unless it was told a moment ago. */
MUST_CHECK enum status dhe_tell(struct dhe_trainer *t, double done, struct error *e);

/* One step on the next batch of the order. */
MUST_CHECK enum status dhe_step(struct dhe_trainer *t, double rate, struct error *e);
/* Put the columns' own mean and deviation into the last layer. */
void dhe_unscale(struct dhe_trainer *t);
/* Hidden layers [0, layers) of n rows, whose ids are in t->id, as lookups compute them; the result
   is in bent[layers - 1], or the input. */
const float *dhe_through(struct dhe_trainer *t, size_t n, unsigned layers);

/* Statistics of all hidden layers, over the whole table (sample 0) or so many rows of the order.
   Progress is the part [from, to]. */
MUST_CHECK enum status dhe_recalibrate(struct dhe_trainer *t, uint64_t sample, double from,
                                       double to, struct error *e);
/* The last layer for which the error over the whole table is least. */
MUST_CHECK enum status dhe_solve_last(struct dhe_trainer *t, double from, double to,
                                      struct error *e);
