/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of methods share: plans from text, parameters on the heap, trained tables in memory.
 */
#pragma once

#include "fits/fit.h"
#include "tests/unit/random.h"

/* Begin a plan: settings as "key=value key=value". Release with plan_done(). */
void kit_plan(struct plan *plan, const struct method *m, uint64_t rows, uint32_t dim,
              uint64_t budget, const char *settings);

/* Zeroed memory for every tensor that has a shape; released by kit_done(), with all else. */
MUST_CHECK enum status kit_allocate(struct parameters *p, struct error *e);
void kit_done(struct parameters *p);
/* Plan, make and allocate parameters; any failure fails the test. */
void kit_parameters(struct parameters *p, const struct method *m, uint64_t rows, uint32_t dim,
                    uint64_t budget, const char *settings);
/* parameters_check() of parameters that may have been checked before. */
MUST_CHECK enum status kit_check(struct parameters *p, struct error *e);
/* Any values that a file may hold: finite floats, all integers. */
void kit_fill(struct parameters *p, struct random *r);

const struct tensor *kit_tensor(const struct parameters *p, const char *name);
const struct value *kit_setting(const struct parameters *p, const char *name);

/* A trained table, and a fit that reads it. */
struct kit_table {
    struct fit fit;
    float *data;
    float *weight;
    unsigned stop_after; /* the progress call that says stop; 0: none */
    uint64_t fail_at;    /* reading this row fails */
    unsigned progress;   /* calls so far */
    double done;         /* the last one's share */
};

/* Zeroed, weights 1. Release with kit_table_done(). */
void kit_table_init(struct kit_table *t, uint64_t rows, uint32_t dim);
void kit_table_done(struct kit_table *t);
/* Normal numbers; with `weights`, random weights of which some are 0. */
void kit_table_random(struct kit_table *t, struct random *r, bool weights);
/* Fit, check and measure; any failure fails the test. */
void kit_fit(struct kit_table *t, struct parameters *p, struct fit_error *error);
