/* SPDX-License-Identifier: Apache-2.0 */
/* See method_case.h. */
#include "tests/unit/cases/projected.h"

#include <stddef.h>

/* What chance leaves, with a margin. */
static const struct variant variants[] = {
    {"dims=3", 300, 16, 0, 0.8, NULL},
    {"", 600, 20, 600 * 20 * 2, 0.5, NULL},
    {"dims=40", 100, 67, 0, 0.15, NULL},
    {"dims=1", 200, 5, 0, 0.8, NULL},
    {"dims=16", 50, 16, 0, 0, NULL}, /* no projection */
    {"dims=1", 40, 1, 0, 0, NULL},
    {"dims=9", 4, 12, 0, 1e-11, NULL}, /* fewer rows than columns */
    {"dims=2", 5, 33, 0, 0.65, NULL},
    {"dims=1", 1, 7, 0, 1e-11, NULL},
    {"", 0, 5, 0, 0, NULL},
    {"dims=2", 0, 5, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

const struct method_case case_mde = {
    .variants = variants,
    .row = projected_case_row,
    .tolerance_fused = 1e-5,
    .exact_row = projected_case_exact_row,
};
