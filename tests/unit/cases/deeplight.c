/* SPDX-License-Identifier: Apache-2.0 */
/* See method_case.h. */
#include "tests/unit/cases/sparse.h"

/* What the smallest entries of normal numbers hold, with a margin for few numbers. */
static const struct variant variants[] = {
    {"form=csr", 200, 16, 1600 * 5 + 8 * 201, 0.09, NULL}, /* half of the entries */
    {"form=csr", 200, 16, 700 * 5 + 8 * 201, 0.36, NULL},  /* .21875 of them */
    {"form=coo", 300, 24, 720 * 9, 0.7, NULL},             /* a tenth */
    {"form=csr", 30, 300, 4500 * 6 + 8 * 31, 0.09, NULL},  /* columns beyond U8 */
    {"form=coo", 30, 300, 900 * 10, 0.7, NULL},
    {"", 1000, 8, 4000, 0.9, NULL},          /* coo */
    {"", 130, 64, 130 * 64 * 2, 0.25, NULL}, /* csr */
    {"", 40, 5, 0, 0, NULL},                 /* all of them */
    {"", 50, 1, 0, 0, NULL},
    {"form=coo", 90, 4, 9, 1, NULL}, /* one entry */
    {"form=csr", 0, 5, 0, 0, NULL},
    {"", 0, 5, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

const struct method_case case_deeplight = {
    .variants = variants,
    .row = sparse_case_row,
    .adjust = sparse_case_adjust,
    .exact_row = sparse_case_exact_row,
};
