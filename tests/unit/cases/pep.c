/* SPDX-License-Identifier: Apache-2.0 */
/* See method_case.h. */
#include "tests/unit/cases/sparse.h"

/* What the smallest entries of normal numbers hold, with a margin for few numbers. */
static const struct variant variants[] = {
    {"form=csr", 200, 16, 1600 * 5 + 8 * 201, 0.09, NULL},
    {"form=coo", 300, 24, 720 * 9, 0.7, NULL},
    {"", 40, 5, 0, 0, NULL}, /* all of them */
    {"", 0, 5, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

const struct method_case case_pep = {
    .variants = variants,
    .row = sparse_case_row,
    .adjust = sparse_case_adjust,
    .exact_row = sparse_case_exact_row,
};
