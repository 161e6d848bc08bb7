/* SPDX-License-Identifier: Apache-2.0 */
/* See method_case.h. */
#include "tests/unit/method_case.h"

#include <stdlib.h>
#include <string.h>

/* The stated error is what means leave of the rare rows, and more where chance may say so. */
static const struct variant variants[] = {
    {"", 400, 16, 100 * 16 * 4, 0.85, NULL},
    {"remap=dense", 400, 16, 120 * 16 * 4, 0.85, NULL},
    {"rare_hash=id_mod", 400, 17, 100 * 17 * 4, 0.85, NULL},
    {"remap=hot_list rare_hash=low_rank", 300, 3, 9 * 3 * 4, 1, NULL},
    {"", 90, 8, 1 << 20, 0, NULL}, /* a row for every id, none of them hot */
    {"remap=dense", 50, 4, 0, 1, NULL},
    {"", 40, 1, 7 * 4, 1, NULL},
    {"", 0, 5, 0, 0, NULL},
    {"remap=dense", 0, 5, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

/* Index of the row among those of freq (it is >= 0) or -(v + 1) of those of rare. */
static int64_t place(const struct parameters *p, uint64_t id)
{
    int64_t rare = (int64_t)kit_tensor(p, "rare")->shape[0], below = 0, v;
    const struct tensor *ids;

    if (kit_setting(p, "remap")->i == 0) {
        v = ((const int32_t *)kit_tensor(p, "remap")->data)[id];
        return v >= 0 ? v : -(-(v + 1) % rare) - 1;
    }
    ids = kit_tensor(p, "hot.ids");
    for (size_t i = 0; i < ids->count; i++) {
        uint64_t hot = ids->dtype == DT_U64 ? ((const uint64_t *)ids->data)[i]
                                            : ((const uint32_t *)ids->data)[i];

        if (hot == id)
            return (int64_t)i;
        below += hot < id;
    }
    v = kit_setting(p, "rare_hash")->i == 0 ? (int64_t)id - below : (int64_t)id;
    return -(v % rare) - 1;
}

static void row(const struct parameters *p, uint64_t id, float *out)
{
    int64_t at = place(p, id);
    const float *from = kit_tensor(p, at >= 0 ? "freq" : "rare")->data;

    memcpy(out, from + (uint64_t)(at >= 0 ? at : -(at + 1)) * p->dim, p->dim * sizeof *out);
}

static void exact_row(const struct parameters *p, double *const *value, uint64_t id, double *out)
{
    int64_t at = place(p, id);

    memcpy(out, value[at < 0] + (uint64_t)(at >= 0 ? at : -(at + 1)) * p->dim,
           p->dim * sizeof *out);
}

/* Any map within the rows; a list with steps of any length. */
static void adjust(struct parameters *p, struct random *r)
{
    uint64_t hot = kit_tensor(p, "freq")->shape[0], rare = kit_tensor(p, "rare")->shape[0], id = 0;

    if (kit_setting(p, "remap")->i == 0) {
        int32_t *map = kit_tensor(p, "remap")->data;

        for (uint64_t i = 0; i < p->rows; i++)
            if (map[i] >= 0 && hot && random_below(r, 2))
                map[i] = (int32_t)((uint64_t)map[i] % hot);
            else if (map[i] >= 0)
                map[i] = random_below(r, 20) ? -1 - (int32_t)random_below(r, 2 * rare) : INT32_MIN;
        return;
    }
    for (uint64_t i = 0; i < hot; i++) {
        uint64_t most = p->rows - (hot - i) - id; /* leaves room for the others */

        id += random_below(r, (most < 6 ? most : 6) + 1);
        ((uint32_t *)kit_tensor(p, "hot.ids")->data)[i] = (uint32_t)id++;
    }
}

const struct method_case case_adapt = {
    .variants = variants,
    .row = row,
    .exact_row = exact_row,
    .adjust = adjust,
};
