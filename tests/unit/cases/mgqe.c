/* SPDX-License-Identifier: Apache-2.0 */
/* See method_case.h. */
#include "tests/unit/cases/codes.h"

/* Limits from what random normal numbers leave, with a margin. */
static const struct variant variants[] = {
    {"parts=8 k_high=32 k_low=8", 300, 16, 0, 0.4, NULL},
    {"parts=8 k_high=32 k_low=8 packing=bits", 300, 16, 0, 0.4, NULL},
    {"parts=8 k_high=32 k_low=8 packing=bits shared=true", 301, 16, 0, 0.4, NULL},
    {"parts=4 k_high=32 k_low=20 shared=true", 303, 12, 0, 0.6, NULL},
    {"parts=4 k_high=23 k_low=5 packing=bits", 1035, 8, 0, 0.7, NULL},
    {"parts=2 k_high=300 k_low=100", 400, 4, 0, 0.1, NULL},
    {"parts=2 k_high=300 k_low=255 packing=bits", 400, 4, 0, 0.05, NULL},
    {"parts=3 k_high=2 k_low=1 packing=bits", 50, 9, 0, 1.2, NULL},
    {"parts=30 k_high=3 k_low=2 packing=bits", 90, 30, 0, 0.8, NULL},
    {"", 1000, 16, 6000, 0.8, NULL},
    {"packing=bits", 1000, 16, 6000, 0.8, NULL},
    {"", 33, 6, 0, 0.9, NULL},
    {"packing=bits", 1, 1, 0, 0, NULL},
    {"packing=bits", 0, 5, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static bool packed(const struct parameters *p)
{
    return kit_setting(p, "packing")->i == 1;
}

static bool is_high(const struct parameters *p, uint64_t id)
{
    const uint8_t *map = kit_tensor(p, "high")->data;

    return map[id / 8] & 1 << id % 8;
}

/* Rows before `id` that are high. */
static uint64_t high_before(const struct parameters *p, uint64_t id)
{
    const uint8_t *map = kit_tensor(p, "high")->data;
    uint64_t count = 0;

    for (uint64_t byte = 0; byte < id / 8; byte++)
        count += (uint64_t)__builtin_popcount(map[byte]);
    return count + (uint64_t)__builtin_popcount(map[id / 8] & ((1u << id % 8) - 1));
}

static uint64_t code(const struct parameters *p, uint64_t id, uint64_t part)
{
    uint64_t before;

    if (!packed(p))
        return codes_case_plain(kit_tensor(p, "codes"), id, part);
    before = high_before(p, id);
    if (is_high(p, id))
        return codes_case_packed(kit_tensor(p, "codes.high"), before, part,
                                 (uint64_t)kit_setting(p, "k_high")->i);
    return codes_case_packed(kit_tensor(p, "codes.low"), id - before, part,
                             (uint64_t)kit_setting(p, "k_low")->i);
}

static void row(const struct parameters *p, uint64_t id, float *out)
{
    codes_case_row(p, id, code, (uint64_t)kit_setting(p, "k_high")->i, out);
}

static void exact_row(const struct parameters *p, double *const *value, uint64_t id, double *out)
{
    codes_case_exact(p, value, id, code, (uint64_t)kit_setting(p, "k_high")->i, out);
}

static void adjust(struct parameters *p, struct random *r)
{
    uint64_t k_high = (uint64_t)kit_setting(p, "k_high")->i;
    uint64_t k_low = (uint64_t)kit_setting(p, "k_low")->i, high;
    uint8_t *map;

    if (!packed(p)) {
        codes_case_fill(p, kit_tensor(p, "codes"), p->rows, k_high, false, r);
        return;
    }
    high = kit_tensor(p, "codes.high")->shape[0];
    map = kit_tensor(p, "high")->data;
    memset(map, 0, kit_tensor(p, "high")->bytes);
    for (uint64_t left = high; left;) {
        uint64_t id = random_below(r, p->rows);

        left -= !is_high(p, id);
        map[id / 8] |= (uint8_t)(1 << id % 8);
    }
    codes_case_fill(p, kit_tensor(p, "codes.high"), high, k_high, true, r);
    codes_case_fill(p, kit_tensor(p, "codes.low"), p->rows - high, k_low, true, r);
}

const struct method_case case_mgqe = {
    .variants = variants,
    .row = row,
    .adjust = adjust,
    .exact_row = exact_row,
};
