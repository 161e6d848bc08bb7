/* SPDX-License-Identifier: Apache-2.0 */
/* What a training holds; between training.c and training_step.c. */
#pragma once

#include "table/optimizer_settings.h"
#include "table/training.h"

/* Of one set of parameters. */
struct training_part {
    struct gradients gradients;
    /* Of each tensor; in t->region, NULL where the optimizer keeps none. */
    float *state[METHOD_TENSORS_MAX][OPTIMIZER_STATES];
};

struct training {
    struct table *table;
    struct optimizer_settings settings;
    struct training_part *part; /* [table->part_count] */
    struct blocks *blocks;
    struct patch patch;    /* of the push in hand, from training_step() to training_write() */
    struct growth *growth; /* of a table that grows, else NULL */
    int64_t *frequency;    /* [N] in the table's memory; NULL: it has none */
    uint64_t accesses;     /* its sum, at most UINT64_MAX */
    const struct update *counted;        /* the push in hand, if its ids are counted */
    struct training_counts counts, push; /* up to now; of the push in hand */
    /* Room for one unit and for one row. */
    float *before, *after; /* [the widest unit] */
    float *bag;            /* [D] a gradient that is clipped */
    float *scratch;        /* [2 D] for method->pool_gradient */
    float *room;           /* holds these four */
    size_t room_floats;
    float *clipped; /* [rows of a part][D] with clip_norm */
    size_t clipped_room;
};

/* Rows that a part of an update touches at most. */
size_t update_part_rows(const struct update_part *part);
/* training_count.c, parts of training_new(), training_mark() and training_write(). */
MUST_CHECK enum status frequency_find(struct training *t, struct error *e);
void frequency_mark(struct training *t);
void frequency_write(struct training *t);
/* Whether the bytes of a tensor lie where snapshots see them, aligned to its elements. */
MUST_CHECK enum status training_place(const struct table *t, const struct tensor *tensor,
                                      const void *data, struct error *e);
/* Whether a tensor's state has one value a unit. */
bool state_is_scalar(const struct training *t, const struct parameters *p, unsigned tensor);
