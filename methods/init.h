/* SPDX-License-Identifier: Apache-2.0 */
/* Random parameters to begin training with, so that a table never exists uncompressed. */
#pragma once

#include "methods/method.h"

struct init {
    uint64_t seed;       /* the same seed gives the same bytes */
    double deviation;    /* wanted standard deviation of a row's elements; 0: the method's own */
    const float *weight; /* [rows] importance of each row, where it is known (training counts);
                            NULL: all the same */
};

#define INIT_DEVIATION 0.05 /* where the method names none of its own */

/* Numbers of a stream that is named by a tensor: Philox 4x32-10, keyed by XXH64 of the name with
   the seed. Any number can be asked for by its place, so parts of a tensor may be filled in any
   order. */
struct draws {
    uint64_t key;
};
struct draws draws_of(const struct init *init, const char *name);
uint64_t draw_bits(const struct draws *d, uint64_t place);
double draw_uniform(const struct draws *d, uint64_t place); /* [0, 1) */
double draw_normal(const struct draws *d, uint64_t place);  /* Box-Muller; |z| < 8.6 */

/* Fill parameters (allocated, zeroed): method->init, or normal numbers of init->deviation in every
   trained tensor. `p` then passes parameters_check(). */
MUST_CHECK enum status init_parameters(const struct init *init, struct parameters *p,
                                       struct error *e);
/* Fill a tensor of floats (F32, F16, BF16) with normal numbers. */
void init_normal(const struct init *init, const struct tensor *t, double deviation);
/* The same for the elements of one row of it; and method->init_row for those whose rows are the
   rows of one such tensor. */
void init_normal_row(const struct init *init, const struct tensor *t, double deviation,
                     uint64_t row);
void init_float_row(const struct init *init, struct parameters *p, uint64_t row);
/* init->deviation, or the usual one. */
double init_deviation(const struct init *init);
