/* SPDX-License-Identifier: Apache-2.0 */
/* Compressing a trained table. First a study may let the table itself decide what the budget is
   spent on, then the layout is made (methods/plan.h), then the parameters are filled so that the
   weighted squared error to the table is small. Not linked into the daemon: fits use BLAS and
   LAPACK, whose threads and memory a server does not want. */
#pragma once

#include "methods/plan.h"

#define FIT_OPTIONS_MAX 4 /* numbers and choices, no lists */

/* A trained table that can be read more than once, in any order of rows. */
struct fit {
    uint64_t rows;
    uint32_t dim;
    /* Rows [first, first + n) as float32 into out[n][dim]. */
    enum status (*read)(void *context, uint64_t first, size_t n, float *out, struct error *e);
    void *context;
    const float *weight; /* [rows], >= 0, importance of each row; NULL: all 1 */
    uint64_t seed;       /* for methods that draw; the same seed gives the same bytes */
    /* Tell how far the fit is (0 to 1, never falling); false stops it with ST_CANCELLED. May be
       NULL. */
    bool (*progress)(void *context, double done);
    void *found; /* plan.found of the part being fitted */
    /* Seconds that a fit without a natural end may take; 0: the method's own. Parts share it as
       they share the progress. The option `seconds` is this number. */
    double seconds;
    struct value option[FIT_OPTIONS_MAX]; /* in the order of fitter->options; zeroed: none given */
};

static inline float fit_weight(const struct fit *f, uint64_t row)
{
    return f->weight ? f->weight[row] : 1.0f;
}
/* Report progress; ST_CANCELLED if the caller wants to stop. */
MUST_CHECK enum status fit_progress(const struct fit *f, double done, struct error *e);

/* How one method is fitted: a const struct in fits/, by the method's name. */
struct fitter {
    /* Look at the table and settle settings and sizes of the layout's parts that it should decide
       (which fields get which width, how many blocks are different, which rows are frequent),
       within the budget. The layout is open and not made. NULL: the plan alone decides. */
    enum status (*study)(const struct fit *fit, struct layout *l, struct error *e);
    /* Fill the parameters of one part (allocated, zeroed). `fit` has the part's rows. */
    enum status (*fit)(const struct fit *fit, struct parameters *p, struct error *e);
    /* A fit that holds the table, or more than its own parameters and a block of rows, in memory.
       Others stream. */
    bool in_memory;
    /* How the fit works, not what it makes: how long, how many steps. Given like settings (--set),
       never written into the file. No name is that of a setting of the method. */
    const struct setting *options;
    size_t options_count;
};
const struct fitter *fitter_find(const struct method *m); /* NULL if it cannot be fitted */

/* Place of an option of the method's fit, or -1. */
int fit_option(const struct method *m, const char *name, size_t n);
/* Read the text of an option (a place that fit_option() gave) into the fit; ST_INVALID with a
   sentence that names it. */
MUST_CHECK enum status fit_option_set(struct fit *f, const struct method *m, int option,
                                      const char *text, struct error *e);

/* `l` is open; study and make it. The study tells progress from 0 to 1. */
MUST_CHECK enum status fit_layout(const struct fit *fit, struct layout *l, struct error *e);
/* Rows [first, first + rows) of a fit as one of its own. Progress of the part is the share [from,
   to] of the whole. */
struct fit_part {
    struct fit fit;
    const struct fit *whole;
    uint64_t first;
    double from, to;
};
void fit_part_init(struct fit_part *part, const struct fit *whole, uint64_t first, uint64_t rows,
                   double from, double to);
/* Fill all parts of a layout. */
MUST_CHECK enum status fit_parameters(const struct fit *fit, const struct layout *l,
                                      struct parameters *part, struct error *e);

/* How close parameters are to the table that they were made from. The parts have passed
   parameters_check(). */
struct fit_error {
    /* sum w |W - e|^2 / sum w |W|^2; for an all-zero table 0 if met exactly, else infinite */
    double relative;
    double cosine_mean;  /* weighted mean over rows with both norms above 0; 1 if there are none */
    double cosine_worst; /* smallest over the same rows; 1 if there are none */
    uint64_t worst_row;
    double plain_relative, plain_cosine_mean; /* the same with all weights 1 */
};
/* ST_INVALID if a row that they make is not finite: the sums of some methods are beyond the range
   of float32 when a table's numbers are near it. */
MUST_CHECK enum status fit_measure(const struct fit *f, const struct parameters *part, size_t parts,
                                   struct fit_error *out, struct error *e);

/* The three steps as one function with the signature of table_source.fill (table/create.h): fill
   the parts of a made layout, hold them against their rules, measure. */
struct fit_filling {
    const struct fit *fit;
    const struct layout *layout;
    struct fit_error error; /* the result */
};
MUST_CHECK enum status fit_fill(void *filling, struct parameters *part, size_t parts,
                                struct error *e);
