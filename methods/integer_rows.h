/* SPDX-License-Identifier: Apache-2.0 */
/* What int8 and int16 share: `q` [N,D] of integers, signed or not, with a scale and a bias for the
   whole table (settings) or for each row (`qparams`). */
#pragma once

#include "methods/plan.h"

enum { INTEGER_DIGIT, INTEGER_SIGNED, INTEGER_QPARAM, INTEGER_SCALE, INTEGER_MIDDLE };
enum { QPARAM_TABLE, QPARAM_ROW };
enum { INTEGER_UNSIGNED_Q, INTEGER_SIGNED_Q, INTEGER_QPARAMS };

/* The settings and tensors of a method with `bits` bits an integer. */
#define INTEGER_SETTINGS(bits)                                                                     \
    {                                                                                              \
        [INTEGER_DIGIT] = {"digit",                                                                \
                           SETTING_INT,                                                            \
                           .min = (bits),                                                          \
                           .max = (bits),                                                          \
                           .optional = true,                                                       \
                           .help = "bits of an integer, which the method says already"},           \
        [INTEGER_SIGNED] = {"signed", SETTING_BOOL, .help = "whether the integers have a sign"},   \
        [INTEGER_QPARAM] = {"qparam", SETTING_CHOICE, .choices = "table row",                      \
                            .help = "one scale for the table, or a scale and a minimum a row"},    \
        [INTEGER_SCALE] = {"scale", SETTING_REAL, .when = "qparam=table",                          \
                           .help = "the step from one integer to the next"},                       \
        [INTEGER_MIDDLE] = {"middle", SETTING_REAL, .fallback = "0",                               \
                            .help = "the value in the middle of the range, for qparam=table"},     \
    }
#define INTEGER_TENSORS(unsigned_type, signed_type)                                                \
    {                                                                                              \
        [INTEGER_UNSIGNED_Q] = {"q",                                                               \
                                DT(unsigned_type),                                                 \
                                "N D",                                                             \
                                .when = "signed=false",                                            \
                                .flags = TENSOR_TRAINED,                                           \
                                .help = "the integers"},                                           \
        [INTEGER_SIGNED_Q] = {"q",                                                                 \
                              DT(signed_type),                                                     \
                              "N D",                                                               \
                              .when = "signed=true",                                               \
                              .flags = TENSOR_TRAINED,                                             \
                              .help = "the integers"},                                             \
        [INTEGER_QPARAMS] = {"qparams",                                                            \
                             DT(F32),                                                              \
                             "N 2",                                                                \
                             .when = "qparam=row",                                                 \
                             .flags = TENSOR_FOLLOWS,                                              \
                             .help = "scale and bias of each row"},                                \
    }

/* Bits of an integer, which the method says. */
int integer_bits(const struct parameters *p);
/* Write element i of q. */
void integer_store(const struct parameters *p, uint64_t i, int q);
/* Nearest even, clipped as a real number: an integer out of range is undefined in C. */
int integer_nearest(double x, int low, int high);

/* The float32 that is added to every element of a table with qparam=table. */
float integer_bias(const struct parameters *p);

/* Values with a range of their own stay within it: 2^126 and its double are inside float32 whatever
   the sign and the rounding of a product. */
#define INTEGER_LARGEST 0x1p126
/* Scale and bias of a row whose values reach from `min` to `max`. A constant row has the scale 0.
 */
void integer_own_range(const struct parameters *p, float min, float max, float own[2]);

MUST_CHECK enum status integer_check(struct parameters *p, struct error *e);
uint64_t integer_work(const struct parameters *p);
MUST_CHECK enum status integer_plan(struct plan *plan, struct error *e);
double integer_author_words(const struct plan *plan);

/* Where nothing says how far the values of a new table may go: about as far as the authors' 8 bits
   with steps of 0.01 do, or as far as the numbers that it begins with, of which none is beyond nine
   deviations. The step that reaches it on either side of the middle. */
#define START_REACH 1.28
#define START_DEVIATIONS 9
double integer_start_scale(int bits, double deviation);
/* The integers of one row of q [N, dim]; and all that is to be said about it. */
void integer_explain_row(const struct tensor *q, uint32_t dim, uint64_t row, struct explanation *x);
void integer_explain(const struct parameters *p, uint64_t row, struct explanation *x);

/* method->init. A scale that is not set becomes one that leaves room for training. */
MUST_CHECK enum status integer_init(const struct init *init, struct parameters *p, struct error *e);

/* method->init_row. */
void integer_init_row(const struct init *init, struct parameters *p, uint64_t row);

/* Training: method->gradient, unit_load and unit_store. */
void integer_gradient(const struct parameters *p, const uint64_t *row, size_t n, const float *grad,
                      struct gradients *out);
void integer_unit_load(const struct parameters *p, unsigned tensor, uint64_t unit, float *out);
void integer_unit_store(const struct parameters *p, const struct unit_change *c,
                        struct patch *patch);
