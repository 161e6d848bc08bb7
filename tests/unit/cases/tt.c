/* SPDX-License-Identifier: Apache-2.0 */
/* See method_case.h. */
#include "tests/unit/method_case.h"

#include <stdlib.h>

#include "base/memory.h"

/* Normal numbers have no structure; what is left is a matter of how many numbers are kept. Tables
   of an odd number of rows get a cache (adjust). */
static const struct variant variants[] = {
    {"digit_order=little n=5,6,7 d=2,2,4 r=1,5,7,1", 200, 16, 0, 0.95, NULL},
    {"digit_order=big n=5,6,7 d=2,2,4 r=1,5,7,1", 200, 16, 0, 0.95, NULL},
    {"digit_order=big n=5,6,7 d=2,2,5 r=1,9,4,1", 200, 17, 0, 0.95, NULL}, /* padded */
    {"digit_order=little n=3,9,4 d=3,4,5 r=1,3,30,1", 101, 49, 0, 0.95, NULL},
    {"digit_order=big n=4,5,4 d=1,7,9 r=1,4,6,1", 77, 60, 0, 0.95, NULL},
    {"digit_order=big n=4,4,4 d=2,2,2 r=1,8,8,1", 64, 8, 0, 1e-9, NULL},   /* whole */
    {"digit_order=little n=2,2,2 d=1,1,2 r=1,9,9,1", 8, 2, 0, 1e-9, NULL}, /* more than whole */
    {"r=1,1,1,1", 1, 1, 0, 1e-9, NULL},
    {"", 1000, 16, 1600 * 4, 0.95, NULL},
    {"", 300, 100, 3000 * 4, 0.95, NULL},
    {"", 0, 5, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static void digits(const struct parameters *p, uint64_t id, uint64_t out[3])
{
    const int64_t *n = kit_setting(p, "n")->list;

    if (kit_setting(p, "digit_order")->i == 0) {
        out[0] = id % (uint64_t)n[0];
        out[1] = id / (uint64_t)n[0] % (uint64_t)n[1];
        out[2] = id / (uint64_t)n[0] / (uint64_t)n[1];
    } else {
        out[2] = id % (uint64_t)n[2];
        out[1] = id / (uint64_t)n[2] % (uint64_t)n[1];
        out[0] = id / (uint64_t)n[2] / (uint64_t)n[1];
    }
}

static bool cached(const struct parameters *p, uint64_t id, uint64_t *place)
{
    const int64_t *ids = p->tensor[3].data;

    for (*place = 0; ids && *place < p->tensor[3].count; ++*place)
        if ((uint64_t)ids[*place] == id)
            return true;
    return false;
}

static void exact_row(const struct parameters *p, double *const *value, uint64_t id, double *out)
{
    const int64_t *d = kit_setting(p, "d")->list, *r = kit_setting(p, "r")->list;
    uint64_t d1 = (uint64_t)d[1], d2 = (uint64_t)d[2], r1 = (uint64_t)r[1], r2 = (uint64_t)r[2];
    uint64_t digit[3], place;
    const double *slice[3];

    if (cached(p, id, &place)) {
        memcpy(out, value[4] + place * p->dim, p->dim * sizeof *out);
        return;
    }
    digits(p, id, digit);
    for (unsigned t = 0; t < 3; t++)
        slice[t] = value[t] + digit[t] * p->tensor[t].shape[1];
    for (uint64_t at = 0; at * d2 < p->dim; at++)
        for (uint64_t l = 0; l < r2; l++) {
            double first = 0;

            for (uint64_t k = 0; k < r1; k++)
                first += slice[0][at / d1 * r1 + k] * slice[1][(k * d1 + at % d1) * r2 + l];
            for (uint64_t j = at * d2; j < (at + 1) * d2 && j < p->dim; j++)
                out[j] = (l ? out[j] : 0) + first * slice[2][l * d2 + j - at * d2];
        }
}

/* The first product is rounded before the second begins; every sum is in order, from 0. */
static float rounded_element(const struct parameters *p, const float *a, const float *b,
                             const float *c, uint64_t j)
{
    const int64_t *d = kit_setting(p, "d")->list, *r = kit_setting(p, "r")->list;
    uint64_t d1 = (uint64_t)d[1], d2 = (uint64_t)d[2], r1 = (uint64_t)r[1], r2 = (uint64_t)r[2];
    uint64_t at_a = j / d2 / d1, at_b = j / d2 % d1, at_c = j % d2;
    float sum = 0;

    for (uint64_t l = 0; l < r2; l++) {
        float first = 0;

        for (uint64_t k = 0; k < r1; k++)
            first += a[at_a * r1 + k] * b[(k * d1 + at_b) * r2 + l];
        sum += first * c[l * d2 + at_c];
    }
    return sum;
}

static void row(const struct parameters *p, uint64_t id, float *out)
{
    uint64_t digit[3], place;
    const float *slice[3];

    if (cached(p, id, &place)) {
        memcpy(out, (float *)p->tensor[4].data + place * p->dim, p->dim * sizeof *out);
        return;
    }
    digits(p, id, digit);
    for (unsigned t = 0; t < 3; t++)
        slice[t] = (const float *)p->tensor[t].data + digit[t] * p->tensor[t].shape[1];
    for (uint32_t j = 0; j < p->dim; j++)
        out[j] = rounded_element(p, slice[0], slice[1], slice[2], j);
}

/* A file may bring cached rows; no plan does. */
static void adjust(struct parameters *p, struct random *r)
{
    size_t count = p->rows % 2 ? (p->rows + 2) / 3 : 0;
    int64_t *ids;
    float *weight;

    if (!count || p->tensor[3].data)
        return;
    p->tensor[3] = (struct tensor){.name = "cache.ids",
                                   .dtype = DT_I64,
                                   .rank = 1,
                                   .shape = {count},
                                   .count = count,
                                   .bytes = 8 * count};
    p->tensor[4] = (struct tensor){.name = "cache.weight",
                                   .dtype = DT_F32,
                                   .rank = 2,
                                   .shape = {count, p->dim},
                                   .count = count * p->dim,
                                   .bytes = 4 * count * p->dim};
    p->tensor[3].data = ids = mem_alloc(p->tensor[3].bytes);
    p->tensor[4].data = weight = mem_alloc(p->tensor[4].bytes);
    for (size_t i = 0; i < count; i++)
        ids[i] = (int64_t)(3 * i + (3 * i + 1 < p->rows ? random_below(r, 2) : 0));
    for (size_t i = 0; i < p->tensor[4].count; i++)
        weight[i] = random_normal(r);
}

const struct method_case case_tt = {
    .variants = variants,
    .row = row,
    .adjust = adjust,
    .tolerance_fused = 1e-5,
    .exact_row = exact_row,
};
