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
    bool counted;          /* table->frequency lies where snapshots see it */
    struct training_counts counts, push; /* up to now; of the push in hand */
    /* Room for one unit and for one row. */
    float *before, *after; /* [the widest unit] */
    float *clipped;        /* [D] */
    float *scratch;        /* [2 D] for method->pool_gradient */
    float *room;           /* holds these four */
    size_t room_floats;
};

/* Rows that a part of an update touches at most. */
size_t update_part_rows(const struct update_part *part);
/* Whether a tensor's state has one value a unit. */
bool state_is_scalar(const struct training *t, const struct parameters *p, unsigned tensor);
