/* SPDX-License-Identifier: Apache-2.0 */
/* See method_case.h. */
#include "tests/unit/method_case.h"

#include <stdlib.h>

/* The stated error is 1 - M/(N D), and more where chance may say so. */
static const struct variant variants[] = {
    {"", 300, 16, 480 * 4 + 80, 0.97, NULL},
    {"block=4", 200, 16, 900 * 4, 0.85, NULL},
    {"block=1 signs=false", 90, 17, 400 * 4, 0.85, NULL},
    {"block=8 use_slot=true", 60, 16, 300 * 4, 0.85, "10,0,30,20"},
    {"block=2 use_slot=true slot_of_field=7,1048575,0", 60, 6, 100 * 4, 0.85, "10,30,20"},
    {"use_slot=true slot_of_field=3", 40, 5, 60 * 4, 0.9, NULL},
    {"variant=uma block=1", 200, 16, 900 * 4, 0.85, NULL},
    {"variant=uma block=5", 200, 16, 900 * 4, 0.85, NULL}, /* the last block is short */
    {"variant=uma block=40 val_offset=1234567890", 90, 16, 400 * 4, 0.9, NULL},
    {"variant=uma val_offset=2000000000", 90, 16, 40 * 4, 1, NULL},
    {"block=16", 5, 16, 7 * 4 + 80, 1, NULL}, /* a block goes around the array more than once */
    {"block=1", 40, 1, 0, 0.7, NULL},
    {"", 0, 5, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static int64_t number(const struct parameters *p, size_t i)
{
    return ((const int64_t *)kit_tensor(p, "rand")->data)[i];
}

/* The cell of a column by the formula, and its sign. */
static int64_t cell_of(const struct parameters *p, uint64_t id, uint32_t i, int *sign)
{
    int64_t m = (int64_t)kit_tensor(p, "array")->shape[0], l = kit_setting(p, "block")->i;
    int64_t x = (int64_t)id, c = i / l, o = i % l, slot = 0, h, g;
    const struct value *list = kit_setting(p, "slot_of_field");

    *sign = 1;
    if (kit_setting(p, "variant")->i == 1) {
        x += kit_setting(p, "val_offset")->i;
        h = (number(p, 3) * x + number(p, 2) * c + number(p, 1)) % number(p, 0);
        return h % (m - l + 1) + o;
    }
    if (kit_setting(p, "use_slot")->i) {
        size_t f = 0;

        while (f + 1 < p->fields.count && p->fields.first[f + 1] <= id)
            f++;
        x -= p->fields.count ? (int64_t)p->fields.first[f] : 0;
        slot = list->set ? list->list[f] : (int64_t)f;
    }
    h = number(p, 3) * x + number(p, 1) + o + number(p, 2) * c + number(p, 4) * slot;
    g = number(p, 7) * x + number(p, 5) + number(p, 6) * i + number(p, 8) * slot;
    if (kit_setting(p, "signs")->i)
        *sign = 2 * (int)(g % number(p, 0) % 2) - 1;
    return h % number(p, 0) % m;
}

static void row(const struct parameters *p, uint64_t id, float *out)
{
    const float *array = kit_tensor(p, "array")->data;

    for (uint32_t i = 0; i < p->dim; i++) {
        int sign;
        int64_t cell = cell_of(p, id, i, &sign);

        out[i] = (float)sign * array[cell];
    }
}

static void exact_row(const struct parameters *p, double *const *value, uint64_t id, double *out)
{
    for (uint32_t i = 0; i < p->dim; i++) {
        int sign;
        int64_t cell = cell_of(p, id, i, &sign);

        out[i] = sign * value[0][cell];
    }
}

/* Small primes too, so that blocks meet their multiples. */
static void adjust(struct parameters *p, struct random *r)
{
    static const int64_t primes[] = {2038074743, 2147483647, 10007, 3};
    const struct tensor *rand = kit_tensor(p, "rand");
    const struct value *offset = kit_setting(p, "val_offset");
    uint64_t least = p->rows + (offset->set ? (uint64_t)offset->i : 0);
    uint64_t cells = kit_tensor(p, "array")->shape[0];
    int64_t *number = rand->data;

    do
        number[0] = primes[random_below(r, 4)];
    while ((uint64_t)number[0] < least || (uint64_t)number[0] < cells);
    for (size_t i = 1; i < rand->count; i++)
        number[i] =
            random_below(r, 8) ? (int64_t)random_below(r, (uint64_t)number[0]) : number[0] - 1;
}

const struct method_case case_robe = {
    .variants = variants,
    .row = row,
    .exact_row = exact_row,
    .adjust = adjust,
};
