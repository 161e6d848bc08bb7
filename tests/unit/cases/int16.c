/* SPDX-License-Identifier: Apache-2.0 */
/* See method_case.h. */
#include "tests/unit/cases/integer.h"

/* A twelfth of the squared step, from a range of about eight times the deviation at most. */
static const struct variant variants[] = {
    {"", 100, 24, 0, 2e-9, NULL},
    {"signed=true qparam=row", 50, 37, 0, 2e-9, NULL},
    {"qparam=table", 300, 24, 0, 1e-8, NULL},
    {"signed=false qparam=table digit=16", 50, 37, 0, 1e-8, NULL},
    {"signed=true scale=0.0002 middle=0.5", 50, 16, 0, 1e-8, NULL},
    {"", 0, 5, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

const struct method_case case_int16 = {
    .variants = variants,
    .row = integer_case_row,
    .adjust = integer_case_adjust,
    .exact_row = case_own_row,
};
