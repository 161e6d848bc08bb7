/* SPDX-License-Identifier: Apache-2.0 */
/* See method_case.h. */
#include "tests/unit/method_case.h"

#include <stddef.h>
#include <string.h>

/* What chance leaves, with a margin. */
static const struct variant variants[] = {
    {"", 100, 16, 0, 0, NULL},
    {"form=compact", 1100, 9, 1100 * 9 * 2, 0.6, NULL},
    {"form=compact", 700, 5, 700 * 2, 1, NULL}, /* fewer rows than ids, of one column */
    {"form=compact", 1, 1, 0, 0, NULL},
    {"form=compact", 0, 3, 0, 0, NULL},
    {"form=remap", 100, 8, 0, 0, NULL},
    {"form=remap", 200, 12, 200 * 12 * 2, 0.6, NULL},
    {"form=remap", 60, 7, 60 * 7 * 3, 0.6, "20,0,25,15,0"},
    {"form=remap", 3, 1, 100, 0, "3"},
    {"form=remap", 0, 3, 0, 0, NULL},
    {NULL, 0, 0, 0, 0, NULL},
};

static bool by_number(const struct parameters *p)
{
    return kit_setting(p, "form")->i == 0;
}

static size_t field(const struct parameters *p, uint64_t id)
{
    size_t f = 0;

    while (p->fields.count && id >= p->fields.first[f + 1])
        f++;
    return f;
}

/* Row of emb, or -1; by counting. */
static int64_t place(const struct parameters *p, uint64_t id)
{
    const unsigned char *kept;
    int64_t before = 0;

    if (by_number(p))
        return ((const int32_t *)kit_tensor(p, "remap")->data)[id];
    kept = kit_tensor(p, "kept")->data;
    for (uint64_t i = 0; i < id; i++)
        before += kept[i / 8] >> i % 8 & 1;
    return kept[id / 8] >> id % 8 & 1 ? before : -1;
}

static uint64_t width(const struct parameters *p, uint64_t id)
{
    if (!by_number(p))
        return p->tensor[0].shape[1];
    return (uint64_t)((const int32_t *)kit_tensor(p, "candidate")->data)[field(p, id)] + 1;
}

static void row(const struct parameters *p, uint64_t id, float *out)
{
    const struct tensor *emb = kit_tensor(p, "emb");
    int64_t r = place(p, id);

    for (uint64_t j = 0; j < p->dim; j++)
        out[j] = r >= 0 && j < width(p, id)
                     ? ((const float *)emb->data)[(uint64_t)r * emb->shape[1] + j]
                     : 0;
}

static void exact_row(const struct parameters *p, double *const *value, uint64_t id, double *out)
{
    int64_t r = place(p, id);

    for (uint64_t j = 0; j < p->dim; j++)
        out[j] = r >= 0 && j < width(p, id) ? value[0][(uint64_t)r * p->tensor[0].shape[1] + j] : 0;
}

/* Widths that differ, ids that share rows, in the remap form; else as many bits as there are rows.
 */
static void adjust(struct parameters *p, struct random *r)
{
    uint64_t rows = p->tensor[0].shape[0], set = 0;
    unsigned char *kept;

    if (by_number(p)) {
        int32_t *candidate = kit_tensor(p, "candidate")->data;
        int32_t *remap = kit_tensor(p, "remap")->data;

        for (uint64_t f = 0; f < kit_tensor(p, "candidate")->shape[0]; f++)
            candidate[f] = (int32_t)random_below(r, p->dim);
        for (uint64_t i = 0; i < p->rows; i++)
            remap[i] = (int32_t)random_below(r, rows + 1) - 1;
        return;
    }
    kept = kit_tensor(p, "kept")->data;
    memset(kept, 0, kit_tensor(p, "kept")->bytes);
    while (set < rows) {
        uint64_t id = random_below(r, p->rows);

        set += !(kept[id / 8] >> id % 8 & 1);
        kept[id / 8] |= (unsigned char)(1 << id % 8);
    }
}

const struct method_case case_optembed = {
    .variants = variants,
    .row = row,
    .adjust = adjust,
    .exact_row = exact_row,
};
