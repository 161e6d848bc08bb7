/* SPDX-License-Identifier: Apache-2.0 */
/* See method_case.h. */
#include "tests/unit/cases/integer.h"

/* A twelfth of the squared step, from a range of about eight times the deviation at most. */
static const struct variant variants[] = {
    {"", 100, 24, 0, 1e-4, NULL},
    {"signed=true qparam=row", 50, 37, 0, 1e-4, NULL},
    {"qparam=table", 300, 24, 0, 3e-4, NULL},
    {"signed=false qparam=table", 50, 37, 0, 3e-4, NULL},
    {"signed=false scale=0.03 middle=-0.25 digit=8", 50, 16, 0, 3e-4, NULL},
    {"signed=true scale=0.03 middle=0.125", 50, 16, 0, 3e-4, NULL},
    {"", 20, 1, 0, 0, NULL},
    {"", 0, 5, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

const struct method_case case_int8 = {
    .variants = variants,
    .row = integer_case_row,
    .adjust = integer_case_adjust,
    .exact_row = case_own_row,
};
