/* SPDX-License-Identifier: Apache-2.0 */
/* See method_case.h. */
#include "tests/unit/cases/codes.h"

/* Limits from what random normal numbers leave, with a margin. */
static const struct variant variants[] = {
    {"parts=8 k=32", 300, 16, 0, 0.25, NULL},
    {"parts=8 k=32 packing=bits", 303, 16, 0, 0.25, NULL},
    {"parts=8 k=32 mode=sx shared=true", 300, 16, 0, 0.25, NULL},
    {"parts=4 k=20 packing=bits shared=true", 301, 12, 0, 0.55, NULL},
    {"parts=2 k=300", 400, 4, 0, 0.02, NULL},
    {"parts=2 k=300 packing=bits", 400, 4, 0, 0.02, NULL},
    {"parts=3 k=1 packing=bits", 50, 9, 0, 1.1, NULL},
    {"parts=3 k=1", 50, 9, 0, 1.1, NULL},
    {"parts=3 k=5 packing=bits", 77, 3, 0, 0.15, NULL},
    {"parts=1 k=70", 60, 7, 0, 0.05, NULL},
    {"parts=35 k=3 packing=bits", 90, 35, 0, 0.25, NULL},
    {"parts=2 k=9 packing=bits", 40, 66, 0, 0.9, NULL},
    {"", 1000, 16, 5000, 0.7, NULL},
    {"", 33, 6, 0, 0.5, NULL},
    {"", 1, 1, 0, 0, NULL},
    {"packing=bits", 0, 5, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static uint64_t code(const struct parameters *p, uint64_t id, uint64_t part)
{
    const struct tensor *t = kit_tensor(p, "codes");
    uint64_t k = (uint64_t)kit_setting(p, "k")->i;

    return kit_setting(p, "packing")->i == 1 ? codes_case_packed(t, id, part, k)
                                             : codes_case_plain(t, id, part);
}

static void row(const struct parameters *p, uint64_t id, float *out)
{
    codes_case_row(p, id, code, (uint64_t)kit_setting(p, "k")->i, out);
}

static void exact_row(const struct parameters *p, double *const *value, uint64_t id, double *out)
{
    codes_case_exact(p, value, id, code, (uint64_t)kit_setting(p, "k")->i, out);
}

static void adjust(struct parameters *p, struct random *r)
{
    const struct tensor *t = kit_tensor(p, "codes");
    uint64_t k = (uint64_t)kit_setting(p, "k")->i;

    codes_case_fill(p, t, t->shape[0], k, kit_setting(p, "packing")->i == 1, r);
}

const struct method_case case_dpq = {
    .variants = variants,
    .row = row,
    .adjust = adjust,
    .exact_row = exact_row,
};
