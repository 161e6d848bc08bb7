/* SPDX-License-Identifier: Apache-2.0 */
/* See method_case.h. */
#include "tests/unit/method_case.h"

/* The stated error is what dropping the other blocks would leave. */
static const struct variant variants[] = {
    {"", 400, 16, 120 * 16 * 4, 0.78, NULL},
    {"bx=4 by=16", 301, 16, 40 * 64 * 4, 0.6, NULL},
    {"by=5 bx=3", 200, 17, 100 * 15 * 4, 0.9, NULL},
    {"by=1 bx=1", 60, 7, 420 * 4 + 50 * 4, 0.1, NULL},
    {"by=40 bx=2", 60, 9, 3000, 0.9, NULL}, /* wider than the table */
    {"bx=100", 60, 5, 0, 0, NULL},          /* longer than the table */
    {"update=frozen bx=2", 90, 8, 0, 0, NULL},
    {"nbx=23 nby=2 bx=4 by=3", 90, 6, 900, 0.95, NULL},
    {"", 0, 5, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

/* Where the element of a column is in blocks. */
static size_t element(const struct parameters *p, uint64_t id, uint32_t j)
{
    uint64_t bx = (uint64_t)kit_setting(p, "bx")->i, by = (uint64_t)kit_setting(p, "by")->i;
    uint64_t across = (p->dim + by - 1) / by;
    const int32_t *map = kit_tensor(p, "map")->data;

    return ((uint64_t)map[id / bx * across + j / by] * bx + id % bx) * by + j % by;
}

static void row(const struct parameters *p, uint64_t id, float *out)
{
    for (uint32_t j = 0; j < p->dim; j++)
        out[j] = ((const float *)kit_tensor(p, "blocks")->data)[element(p, id, j)];
}

static void exact_row(const struct parameters *p, double *const *value, uint64_t id, double *out)
{
    for (uint32_t j = 0; j < p->dim; j++)
        out[j] = value[0][element(p, id, j)];
}

static void adjust(struct parameters *p, struct random *r)
{
    const struct tensor *map = kit_tensor(p, "map");

    for (size_t i = 0; i < map->count; i++)
        ((int32_t *)map->data)[i] = (int32_t)random_below(r, kit_tensor(p, "blocks")->shape[0]);
}

const struct method_case case_dedup = {
    .variants = variants,
    .row = row,
    .exact_row = exact_row,
    .adjust = adjust,
};
